//! Faults 4 and 5: the daemon itself dies, is restarted, or is stopped. A private daemon is the victim.
