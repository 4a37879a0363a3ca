//! A Docker daemon of a test's own, for tests in which the daemon is the victim.
