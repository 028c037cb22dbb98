//! Empty: these packages have only tests.
