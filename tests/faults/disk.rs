//! Fault 12: no space for results, journal or the data root.
