//! The JSON Schema of the campaign file, generated once from `spec`.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::spec::CampaignFile;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let mut schema = SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<CampaignFile>()
        .to_value();
    mend(&mut schema);
    schema
});

/// The JSON Schema of the campaign file.
#[must_use]
pub fn schema() -> &'static Value {
    &SCHEMA
}

/// An optional key is left out, never `null`: a key without a value is a mistake that must be seen. (An
/// axis can hold `null`: the catalogue says which parameters it leaves unset.)
/// Formats of Rust's numbers say nothing to an editor.
fn mend(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.remove("format");
            if map.get("default").is_some_and(Value::is_null) {
                map.remove("default");
            }
            if let Some(Value::Array(types)) = map.get("type")
                && let [only, Value::String(null)] = types.as_slice()
                && null == "null"
            {
                let only = only.clone();
                map.insert("type".to_owned(), only);
            }
            if let Some(Value::Array(choices)) = map.get_mut("anyOf") {
                choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
                if let [Value::Object(only)] = choices.as_slice() {
                    let only = only.clone();
                    map.remove("anyOf");
                    map.extend(only);
                }
            }
            map.values_mut().for_each(mend);
        }
        Value::Array(items) => items.iter_mut().for_each(mend),
        _ => {}
    }
}
