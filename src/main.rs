//! The `lemctl` binary: hands over to [`lemctl::cli`].

fn main() {}
