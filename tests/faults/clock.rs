//! Fault 19: clocks that jump, and a machine that was started anew.
