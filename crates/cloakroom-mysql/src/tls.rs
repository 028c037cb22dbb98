use cloakroom::Result;
use cloakroom_tls::Verification;
use mysql_async::Error as Cause;
use mysql_async::{IoError, Opts, OptsBuilder, SslOpts};
use rustls::CertificateError;

/// Returns the driver's options for an encrypted connection to `host`.
pub(crate) fn options(verification: &Verification, host: &str) -> Result<SslOpts> {
    cloakroom_tls::install_ring();
    let authorities = verification.authorities()?;
    let authorities = authorities
        .iter()
        .map(|authority| authority.to_vec().into());
    // A URL writes an IPv6 address as `[::1]`, but a certificate contains `::1`. The driver would
    // compare the two, so remove the brackets.
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    Ok(SslOpts::default()
        .with_root_certs(authorities.collect())
        .with_disable_built_in_roots(true)
        .with_danger_skip_domain_validation(!verification.checks_name())
        .with_danger_tls_hostname_override(address.map(str::to_owned)))
}

/// Returns the options for a second attempt to connect with `sslmode=verify-ca`, after the driver
/// refused a certificate that does not contain the name of the host. Returns `None` if `cause` is a
/// different error, or if the mode is `verify-full`.
///
/// With `verify-ca`, the option `skip_domain_validation` should make the driver ignore the names in
/// the certificate. The option has no effect, because the driver does not recognize the error type
/// of recent versions of rustls. So the returned options tell the driver to expect one of the names
/// in the certificate. The second attempt still verifies everything except the name of the host.
pub(crate) fn with_name_of_certificate(options: &Opts, cause: &Cause) -> Option<Opts> {
    let tls = options
        .ssl_opts()
        .filter(|tls| tls.skip_domain_validation())?;
    let Cause::Io(IoError::Io(io)) = cause else {
        return None;
    };
    let rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext {
        presented,
        ..
    }) = io.get_ref()?.downcast_ref()?
    else {
        return None;
    };
    let name = presented.iter().find_map(|name| name_of(name))?;
    let tls = tls.clone().with_danger_tls_hostname_override(Some(name));
    let options = OptsBuilder::from_opts(options.clone()).ssl_opts(tls);
    Some(options.into())
}

/// Returns a name for which a certificate is valid. `presented` is the text with which an error of
/// rustls describes one of the names in the certificate.
fn name_of(presented: &str) -> Option<String> {
    let inside = |kind: &str| presented.strip_prefix(kind)?.strip_suffix(')');
    match inside("DnsName(") {
        // A wildcard is valid for any label in its place.
        Some(name) => Some(name.trim_matches('"').replacen('*', "any", 1)),
        None => inside("IpAddress(").map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_from_the_description_of_rustls() {
        for (presented, name) in [
            (r#"DnsName("db.example")"#, Some("db.example")),
            (r#"DnsName("*.db.example")"#, Some("any.db.example")),
            ("IpAddress(10.0.0.7)", Some("10.0.0.7")),
            ("DirectoryName", None),
        ] {
            assert_eq!(name_of(presented).as_deref(), name);
        }
    }
}
