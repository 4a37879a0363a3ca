//! Faults 1 to 3 and 20: lemctl killed, stopped by hand, started twice, and thousands of runs in one life.
