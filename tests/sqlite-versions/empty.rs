//! Empty: the packages in this folder have only tests.
