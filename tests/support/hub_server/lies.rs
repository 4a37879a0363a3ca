//! What repositories say that are not as they say, by their names.

/// A commit that nobody asked for.
pub const OTHER_COMMIT: &str = "fedcba9876543210fedcba9876543210fedcba98";
/// Stands in addresses, and in nothing that is told.
pub const SECRET: &str = "s3-of-which-nothing-is-told";

/// The commit that a listing says it is of.
pub(super) fn commit(repository: &str) -> Option<&'static str> {
    (repository == "moved").then_some(OTHER_COMMIT)
}

/// The size that a listing says each file has.
pub(super) fn size(repository: &str) -> Option<u64> {
    // Three of them are 2^64 + 2: a few bytes, where the sum wraps.
    (repository == "boundless").then_some(u64::MAX / 3 + 1)
}

/// A hub need not name sums.
pub(super) fn tells_no_sums(repository: &str) -> bool {
    ["unsummed", "unsummed-longer"].contains(&repository)
}

/// What follows a listing. It would be read to its end and be good JSON.
pub(super) fn behind_a_listing(repository: &str) -> String {
    match repository {
        "endless" => " ".repeat(16 << 20),
        _ => String::new(),
    }
}

/// What follows the weights: more than the listing says that there is.
pub(super) fn behind_a_file(repository: &str) -> Vec<u8> {
    match repository {
        "longer" | "unsummed-longer" => vec![7; 400_000],
        _ => Vec::new(),
    }
}

/// Where a file is said to be, and cannot be.
pub(super) fn redirect(repository: &str) -> Option<String> {
    match repository {
        // A scheme that nobody speaks, and an address that is none.
        "astray" => Some(format!("{SECRET}://cdn/model")),
        "malformed" => Some(format!("//[cdn/model?signature={SECRET}")),
        _ => None,
    }
}
