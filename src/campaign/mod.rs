mod policy;
mod schema;
mod spec;
pub use policy::*;
pub use schema::schema;
