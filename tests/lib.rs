//! End-to-end tests, conformance tables and house rules.
