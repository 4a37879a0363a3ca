//! Jitter without state: the same seed and indices give the same number, so that every reading of the
//! past can be computed again.

/// A number in [0, 1) from a seed and two indices (SplitMix64's finaliser, applied twice).
pub(crate) fn unit(seed: u64, stream: u64, index: u64) -> f64 {
    let mixed = mix(seed ^ mix(stream.wrapping_add(0x9e37_79b9_7f4a_7c15)) ^ mix(index));
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

/// The same, in a range.
pub(crate) fn within([low, high]: [f64; 2], seed: u64, stream: u64, index: u64) -> f64 {
    low + (high - low) * unit(seed, stream, index)
}

/// A seed from a seed and a name.
pub(crate) fn named(seed: u64, name: &str) -> u64 {
    name.bytes()
        .fold(mix(seed), |state, byte| mix(state ^ u64::from(byte)))
}

fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
