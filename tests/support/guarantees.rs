//! What holds after every fault.
