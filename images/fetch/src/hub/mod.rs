//! stub
use crate::failure::Failure;
use crate::folder::Folder;
use lem_protocol::ModelFile;
use std::path::Path;
pub struct Hub;
pub struct Listing {
    pub commit: String,
}
impl Hub {
    pub fn new(_: &str, _: &str, _: Option<&Path>) -> Result<Self, Failure> {
        Ok(Self)
    }
    pub fn listing(&self, _: &str) -> Result<Listing, Failure> {
        Ok(Listing {
            commit: String::new(),
        })
    }
}
pub fn download(_: &Hub, _: &str, _: &Folder) -> Result<Vec<ModelFile>, Failure> {
    Ok(vec![])
}
