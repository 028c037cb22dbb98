use std::path::Path;

use super::private::Recipe;

/// The certificate of a server with TLS.
#[derive(Clone, Copy)]
pub(super) enum Certificate<'a> {
    Valid,
    Expired,
    /// The valid certificate of the server in this folder. Servers with the same certificate trust
    /// each other.
    SameAs(&'a Path),
}

/// Returns the recipe `usual` with a certificate, for a server that accepts encrypted connections
/// only.
///
/// `settings` are the options for TLS, in which `CERTIFICATE` is replaced by the name of the
/// certificate's file. `prepare_tls` are shell commands that run after those of `usual`.
pub(super) fn with_certificate(
    usual: Recipe,
    settings: &str,
    prepare_tls: &str,
    certificate: Certificate<'_>,
) -> Recipe {
    let (certificates, file) = match certificate {
        Certificate::Valid => (CERTIFICATES.to_owned(), "valid.pem"),
        Certificate::Expired => (CERTIFICATES.to_owned(), "expired.pem"),
        Certificate::SameAs(folder) => (
            format!("cp '{0}'/*.pem '{0}'/server.key .", folder.display()),
            "valid.pem",
        ),
    };
    let prepare = format!("({certificates}) && ({}) && {prepare_tls}", usual.prepare);
    Recipe {
        // Leaks a text for each server. A process starts only a few servers.
        prepare: prepare.leak(),
        settings: format!(
            "{} {}",
            usual.settings,
            settings.replace("CERTIFICATE", file)
        ),
        ..usual
    }
}

/// Returns the URL parameters that tell a client to verify the server in `folder`.
pub(super) fn parameters(folder: &Path) -> String {
    format!(
        "sslmode=verify-full&sslrootcert={}/ca.pem",
        folder.display()
    )
}

/// Creates two certificate authorities, `ca.pem` and `other.pem`. The authority `ca.pem` signs the
/// certificates `valid.pem` and `expired.pem`, which are both for 127.0.0.1 and db.example. The
/// names of the authorities contain the port, so that no two servers have authorities of the same
/// name. The commands use `openssl ca`, because `openssl req` cannot create an expired certificate.
const CERTIFICATES: &str = r#"
cat >ca.conf <<'END'
[ca]
default_ca = tests
[tests]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = names
x509_extensions = server
unique_subject = no
[names]
commonName = supplied
[server]
subjectAltName = IP:127.0.0.1, DNS:db.example
[req]
distinguished_name = names
END
: >index
echo 01 >serial
key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
for name in ca other; do
    openssl req -config ca.conf -x509 $key -keyout $name.key -out $name.pem -days 2 \
        -subj /CN=$name-$PORT -addext basicConstraints=critical,CA:TRUE
done
openssl req -config ca.conf $key -keyout server.key -out server.csr -subj /CN=db.example
sign() {
    openssl ca -config ca.conf -batch -notext -cert ca.pem -keyfile ca.key -in server.csr "$@"
}
sign -out valid.pem -days 2
sign -out expired.pem -startdate 20200101000000Z -enddate 20210101000000Z
"#;

/// The options of PostgreSQL for TLS, and a command that makes PostgreSQL refuse unencrypted
/// connections.
pub(super) const POSTGRES: (&str, &str) = (
    "-c ssl=on -c ssl_cert_file=../CERTIFICATE -c ssl_key_file=../server.key",
    "echo 'hostssl all all 127.0.0.1/32 trust' >data/pg_hba.conf",
);

/// The options of MariaDB for TLS. No command is needed, so `:` does nothing.
pub(super) const MARIADB: (&str, &str) = (
    "--ssl-cert=../CERTIFICATE --ssl-key=../server.key --require-secure-transport=on",
    ":",
);

/// The options of Redis and of its Sentinels for TLS. No command is needed, so `:` does nothing.
/// `tls-replication` is for the connections to a primary and between Sentinels.
pub(super) const REDIS: (&str, &str) = (
    "--tls-cert-file CERTIFICATE --tls-key-file server.key --tls-ca-cert-file ca.pem \
     --tls-auth-clients no --tls-replication yes",
    ":",
);
