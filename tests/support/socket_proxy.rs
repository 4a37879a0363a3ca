//! A proxy before the Engine's socket, for tests in which the answers are the victim.
