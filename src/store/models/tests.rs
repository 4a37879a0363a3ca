//! A model is there whole or not at all.

use super::*;

fn store() -> (tempfile::TempDir, ModelStore) {
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(folder.path()).unwrap().join("models");
    let store = ModelStore::new(root);
    store.make().unwrap();
    (folder, store)
}

fn put(store: &ModelStore, place: &Place, files: &[(&str, &str)]) -> StoredModel {
    let partial = store.root().join(store.partial(place).unwrap());
    std::fs::create_dir_all(&partial).unwrap();
    let files = files.iter().map(|(name, text)| {
        std::fs::write(partial.join(name), text).unwrap();
        ModelFile {
            path: (*name).to_owned(),
            bytes: text.len() as u64,
            sha256: Digest::of(text.as_bytes()).to_string(),
        }
    });
    StoredModel::new("random", "x", None, files.collect())
}

#[test]
fn a_model_is_found_once_it_is_whole() {
    let (_folder, store) = store();
    let place = Place::random("c", 1);
    assert_eq!(store.find(&place), None);
    let model = put(
        &store,
        &place,
        &[("config.json", "{}"), ("w.safetensors", "abc")],
    );
    assert_eq!(store.find(&place), None, "not yet described");
    assert_eq!(store.list().1.len(), 1);
    let found = store.commit(&place, model.clone()).unwrap();
    assert_eq!(store.find(&place).as_ref(), Some(&found));
    assert_eq!(
        (store.list().0, store.list().1.len()),
        (vec![found.clone()], 0)
    );
    assert_eq!(
        found.damage(&|_| ControlFlow::Continue(())),
        Vec::<String>::new()
    );
    assert_eq!(found.model.bytes(), 5);

    let weights = found.folder.join("w.safetensors");
    std::fs::write(&weights, "abd").unwrap();
    assert_eq!(
        found.damage(&|_| ControlFlow::Continue(())),
        ["w.safetensors"],
        "only its bytes tell"
    );
    assert!(store.find(&place).is_some());
    std::fs::write(&weights, "ab").unwrap();
    assert_eq!(store.find(&place), None, "its size tells");
    let model = put(&store, &place, &[("config.json", "{}")]);
    assert!(
        store.commit(&place, model).is_ok(),
        "what is damaged is replaced"
    );
}

#[test]
fn a_description_that_lies_is_none() {
    let (_folder, store) = store();
    let place = Place::hub("o/n", "abc").unwrap();
    let mut model = put(&store, &place, &[("config.json", "{}")]);
    model.files[0].bytes = 3;
    assert!(store.commit(&place, model).is_err(), "sizes are looked at");
    let model = put(&store, &place, &[("config.json", "{}")]);
    let found = store.commit(&place, model).unwrap();
    let note = found.folder.join(MODEL_NOTE_FILE);
    let text = std::fs::read_to_string(&note).unwrap();
    for (old, new) in [
        ("config.json", "../config.json"),
        ("config.json", "config.jsom"),
        ("\"schema_version\": 1", "\"schema_version\": 2"),
    ] {
        std::fs::write(&note, text.replace(old, new)).unwrap();
        assert_eq!(store.find(&place), None, "{new}");
    }
    std::fs::write(&note, &text).unwrap();
    assert!(store.find(&place).is_some());
}

/// The sum of its description fits, and so do the sizes: only the names are wrong.
#[test]
fn a_description_names_no_file_of_another_folder() {
    let (_folder, store) = store();
    let place = Place::hub("o/n", "abc").unwrap();
    let folder = store.folder(&place);
    std::fs::create_dir_all(folder.join("sub")).unwrap();
    let described = |name: &str| {
        std::fs::write(folder.join(name), "{}").unwrap();
        let file = ModelFile {
            path: name.to_owned(),
            bytes: 2,
            sha256: Digest::of(b"{}").to_string(),
        };
        let model = StoredModel::new("hub", "o/n", Some("abc".to_owned()), vec![file]);
        let note = serde_json::to_vec(&model).unwrap();
        std::fs::write(folder.join(MODEL_NOTE_FILE), note).unwrap();
        store.find(&place)
    };
    assert!(described("config.json").is_some());
    let elsewhere = store.root().join("elsewhere");
    for name in [
        "../config.json",
        "sub/config.json",
        elsewhere.as_str(),
        ".hidden",
        "a\nb",
    ] {
        assert_eq!(described(name), None, "{name}");
    }
}

#[test]
fn places_are_plain_names() {
    for (id, commit) in [
        ("a", "c"),
        ("a/..", "c"),
        ("a/b", "../c"),
        ("../b", "c"),
        ("a/b/c", "d"),
    ] {
        assert_eq!(Place::hub(id, commit), None, "{id} {commit}");
    }
    let place = Place::hub("a/b", "c").unwrap();
    assert_eq!(place.path(), "hub/a--b/c");
    assert_ne!(Place::random("c", 1).path(), Place::random("c", 2).path());
}

#[test]
fn one_lemctl_a_model() {
    let (_folder, store) = store();
    let (one, other) = (Place::random("c", 1), Place::random("c", 2));
    let held = ModelLock::take(&store, &one).unwrap();
    assert!(held.is_some());
    assert!(ModelLock::take(&store, &one).unwrap().is_none());
    assert!(ModelLock::take(&store, &other).unwrap().is_some());
    drop(held);
    assert!(ModelLock::take(&store, &one).unwrap().is_some());
}

#[test]
fn a_local_folder_is_summed_once() {
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(folder.path()).unwrap();
    let model = root.join("m");
    std::fs::create_dir_all(model.join("original")).unwrap();
    std::fs::write(model.join("config.json"), "{}").unwrap();
    std::fs::write(model.join(".hidden"), "").unwrap();
    std::fs::write(model.join("w.safetensors"), "abc").unwrap();
    std::os::unix::fs::symlink("w.safetensors", model.join("v.safetensors")).unwrap();
    let names = local_files(&model).unwrap();
    assert_eq!(names, ["config.json", "v.safetensors", "w.safetensors"]);
    let memory = root.join(".lem/sums.json");
    let read = std::sync::atomic::AtomicU64::new(0);
    let count = |bytes| {
        read.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    let first = sums_of(&model, &names, &memory, &count).unwrap();
    assert_eq!(first[2].sha256, Digest::of(b"abc").to_string());
    assert_eq!(read.load(std::sync::atomic::Ordering::Relaxed), 8);
    // A remembered sum is believed: it is told apart from the right one here.
    let text = std::fs::read_to_string(&memory).unwrap();
    let other = Digest::of(b"other").to_string();
    std::fs::write(&memory, text.replace(&first[2].sha256, &other)).unwrap();
    let again = sums_of(&model, &names, &memory, &count).unwrap();
    assert_eq!(again[2].sha256, other);
    std::fs::write(model.join("w.safetensors"), "abd").unwrap();
    let changed = sums_of(&model, &names, &memory, &count).unwrap();
    assert_eq!(changed[2].sha256, Digest::of(b"abd").to_string());
    std::fs::write(&memory, "[").unwrap();
    assert_eq!(sums_of(&model, &names, &memory, &count).unwrap(), changed);
}

#[test]
fn links_out_of_a_local_folder_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(folder.path()).unwrap();
    let model = root.join("m");
    std::fs::create_dir(&model).unwrap();
    let refused = |what: &str| {
        let error = local_files(&model).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    refused("no config.json");
    std::fs::write(root.join("blob"), "{}").unwrap();
    std::os::unix::fs::symlink("../blob", model.join("config.json")).unwrap();
    refused("cp -rL");
    std::fs::remove_file(root.join("blob")).unwrap();
    refused("leads nowhere");
}
