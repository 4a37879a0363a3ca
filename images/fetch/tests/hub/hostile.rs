//! Hubs that lie, and addresses with secrets: nothing is kept that was not told, and nothing told that is secret.

use lem_protocol::{FetchReply, FetchRequest};

use crate::hub_server::{COMMIT, OTHER_COMMIT, SECRET};
use crate::place::{Place, answer, refused};

/// `Resolve` at an address; what it says, and all that it said.
fn resolved_at(place: &Place, endpoint: String) -> (FetchReply, String) {
    let said = place.said(&FetchRequest::Resolve {
        endpoint,
        id: "org/tiny".to_owned(),
        revision: "main".to_owned(),
    });
    (answer(&said), said)
}

#[test]
fn without_sums_a_size_is_checked() {
    let place = Place::new();
    std::fs::create_dir_all(place.model()).unwrap();
    // What an earlier try left is longer than the hub says that the files are.
    for name in ["tokenizer.json.part", "config.json"] {
        std::fs::write(place.model().join(name), [b' '; 4000]).unwrap();
    }
    place.holds_the_model(&place.fetch("unsummed"));
}

#[test]
fn without_sums_more_bytes_than_told_are_no_file() {
    let place = Place::new();
    let said = refused(place.fetch("unsummed-longer"), "download_broken");
    assert!(said.contains("its size says"), "{said}");
    let mut left = std::fs::read_dir(place.model()).unwrap();
    assert!(!left.any(|file| file.unwrap().file_name() == "model.safetensors"));
}

/// The sums tell that what was kept is the file; what came behind it is not written.
#[test]
fn more_bytes_than_told_are_not_kept() {
    let place = Place::new();
    place.holds_the_model(&place.fetch("longer"));
    assert_eq!(place.hub.asked("/model.safetensors"), 1);
}

#[test]
fn a_listing_of_another_commit_is_refused() {
    let place = Place::new();
    let said = refused(place.fetch("moved"), "hub_unavailable");
    assert!(
        said.contains(COMMIT) && said.contains(OTHER_COMMIT),
        "{said}"
    );
    assert_eq!(place.hub.asked("/resolve/"), 0, "nothing was fetched of it");
}

#[test]
fn an_answer_that_does_not_end_is_not_read_to_its_end() {
    let place = Place::new();
    let said = refused(place.fetch("endless"), "hub_unavailable");
    assert!(said.contains("more than 16777216 bytes"), "{said}");
}

/// Sizes whose sum is no number of 64 bits.
#[test]
fn sizes_beyond_counting_are_no_room() {
    let place = Place::new();
    refused(place.fetch("boundless"), "disk_full");
    assert_eq!(place.hub.asked("/resolve/"), 0);
}

#[test]
fn an_address_with_a_password_is_refused_and_not_repeated() {
    let place = Place::new();
    let hub = place.hub.endpoint().replace("http://", "");
    for endpoint in [
        format!("http://user:{SECRET}@{hub}"),
        format!("https://{SECRET}@{hub}/hub"),
        format!("ftp://user:{SECRET}@{hub}"),
        // What is no address is not repeated either.
        format!("user:{SECRET}@{hub}"),
        format!("http:/user:{SECRET}@{hub}"),
        format!("http:///user:{SECRET}@{hub}"),
    ] {
        let (reply, said) = resolved_at(&place, endpoint);
        refused(reply, "bad_request");
        assert!(!said.contains(SECRET), "{said}");
    }
    assert_eq!(place.hub.seen().len(), 0, "nobody was asked");
}

/// An address that a hub redirects to holds a signature that opens the file.
#[test]
fn a_bad_address_of_a_redirect_is_not_repeated() {
    for repository in ["astray", "malformed"] {
        let place = Place::new();
        let said = place.said(&place.request(repository));
        refused(answer(&said), "no_network");
        assert!(place.hub.asked("/resolve/") > 0, "{said}");
        assert!(!said.contains(SECRET), "{said}");
    }
}
