use crate::schema::Schema;

// Creates exactly what Django's migration creates, including the names of the columns and indexes,
// so that Django accepts the table.
const CREATE_TABLE: &str = r#"CREATE TABLE IF NOT EXISTS "{table}" (
    "session_key" varchar(40) NOT NULL PRIMARY KEY,
    "session_data" text NOT NULL,
    "expire_date" timestamp with time zone NOT NULL
);
"#;

const CREATE_LIKE_INDEX: &str = r#"CREATE INDEX IF NOT EXISTS "{index}_session_key_c0390e0f_like"
    ON "{table}" ("session_key" varchar_pattern_ops);
"#;

const CREATE_DATE_INDEX: &str = r#"CREATE INDEX IF NOT EXISTS "{index}_expire_date_a5c62663"
    ON "{table}" ("expire_date");
"#;

pub(crate) const SCHEMA: Schema = Schema {
    doing: "creating Django's sessions table in PostgreSQL",
    statements: &[CREATE_TABLE, CREATE_LIKE_INDEX, CREATE_DATE_INDEX],
    columns: &[
        ("expire_date", "timestamp with time zone"),
        ("session_data", "text"),
        ("session_key", "character varying(40)"),
    ],
    may_have_more: true,
    indexes: &["_session_key_c0390e0f_like", "_expire_date_a5c62663"],
};
