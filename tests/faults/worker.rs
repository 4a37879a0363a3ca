//! Faults 6 to 9: workers that ignore signals, leave children, flood their streams, and pids that say nothing.
