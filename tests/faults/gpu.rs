//! Faults 15 and 16: no driver, a wrong UUID, a lost library, and memory that does not come back.
