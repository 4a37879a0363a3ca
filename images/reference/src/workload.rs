//! Reads a workload file: bounded, its digest checked, its ids and lengths checked against the model.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use lem_protocol::{MAX_WORKLOAD_BYTES, Prompt, WorkloadFile};

use crate::digest;
use crate::fault::{Code, Fault};
use crate::model::Shape;

/// What a workload file holds.
#[derive(Debug)]
pub struct Prompts {
    /// The prompts.
    pub prompts: Vec<Prompt>,
    /// Open loop: when each request is due.
    pub arrivals_ns: Vec<u64>,
}

/// The prompts named by `digest` in `folder`, fit for `shape`.
pub fn read(folder: &Path, digest: &str, shape: &Shape) -> Result<Prompts, Fault> {
    if digest.len() != 64
        || !digest
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    {
        return Err(Fault::new(
            Code::BadRequest,
            "workload is not a SHA-256 in 64 small hex digits",
        ));
    }
    let path = folder.join(format!("{digest}.json"));
    let bytes = bytes(&path)?;
    let found = digest::of(&bytes);
    if found != digest {
        return Err(Fault::new(
            Code::WorkloadMismatch,
            format!("{} has the digest {found}", path.display()),
        )
        .hint("the file changed after lemctl wrote it: run the campaign again"));
    }
    let workload: WorkloadFile = serde_json::from_slice(&bytes)
        .map_err(|error| invalid(format!("{} is no workload file: {error}", path.display())))?;
    check(&workload, shape)?;
    Ok(Prompts {
        prompts: workload.prompts,
        arrivals_ns: workload.arrivals_ns,
    })
}

fn bytes(path: &Path) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(MAX_WORKLOAD_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) if bytes.len() as u64 > MAX_WORKLOAD_BYTES => Err(invalid(format!(
            "{} is larger than {MAX_WORKLOAD_BYTES} bytes",
            path.display()
        ))),
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Fault::new(
            Code::WorkloadMissing,
            format!("there is no {}", path.display()),
        )
        .hint("lemctl writes it into the control folder: is that mounted at /run/lem?")),
        Err(error) => Err(Fault::new(
            Code::WorkloadMissing,
            format!("reading {}: {error}", path.display()),
        )),
    }
}

fn check(workload: &WorkloadFile, shape: &Shape) -> Result<(), Fault> {
    if workload.prompts.is_empty() {
        return Err(invalid("the workload has no prompts"));
    }
    if !workload.arrivals_ns.is_sorted() {
        return Err(invalid("arrivals_ns does not ascend"));
    }
    for (place, prompt) in workload.prompts.iter().enumerate() {
        if prompt.text.is_some() || prompt.messages.is_some() || prompt.natural {
            let message = format!("prompt {place} needs a tokenizer or an end of sequence");
            return Err(Fault::new(Code::Unsupported, message)
                .hint("this backend takes token ids and outputs of exact length"));
        }
        if prompt.input_ids.is_empty() || prompt.output_tokens == 0 {
            return Err(invalid(format!("prompt {place} has no input or no output")));
        }
        if let Some(id) = prompt
            .input_ids
            .iter()
            .find(|id| **id as usize >= shape.vocab_size)
        {
            return Err(invalid(format!(
                "prompt {place} holds token {id}, but vocab_size is {}",
                shape.vocab_size
            )));
        }
        let length = prompt
            .input_ids
            .len()
            .saturating_add(prompt.output_tokens as usize);
        if length > shape.context_length {
            return Err(Fault::new(
                Code::ContextExceeded,
                format!(
                    "prompt {place} has {} tokens and asks for {}, together {length}, but context_length is {}",
                    prompt.input_ids.len(),
                    prompt.output_tokens,
                    shape.context_length
                ),
            )
            .hint("raise context_length, or shorten the workload's input or output"));
        }
    }
    Ok(())
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(Code::WorkloadInvalid, message)
        .hint("draw the workload for the model's own vocab_size")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape {
        hidden_size: 8,
        num_layers: 1,
        num_heads: 1,
        num_kv_heads: 1,
        intermediate_size: 8,
        vocab_size: 10,
        context_length: 8,
    };

    fn read_text(text: &str) -> Result<Vec<Prompt>, Code> {
        let folder = tempfile::tempdir().unwrap();
        let digest = digest::of(text.as_bytes());
        std::fs::write(folder.path().join(format!("{digest}.json")), text).unwrap();
        read(folder.path(), &digest, &SHAPE)
            .map(|read| read.prompts)
            .map_err(|fault| fault.code)
    }

    fn workload(ids: &str, output: u32) -> String {
        format!(r#"{{"vocab_size":10,"prompts":[{{"input_ids":{ids},"output_tokens":{output}}}]}}"#)
    }

    #[test]
    fn prompts_are_taken_as_they_are() {
        let prompts = read_text(&workload("[0,9,4]", 5)).unwrap();
        assert_eq!(
            prompts,
            [Prompt {
                input_ids: vec![0, 9, 4],
                output_tokens: 5,
                ..Prompt::default()
            }]
        );
    }

    #[test]
    fn what_does_not_fit_the_model_is_refused() {
        assert_eq!(read_text(&workload("[10]", 1)), Err(Code::WorkloadInvalid));
        assert_eq!(
            read_text(&workload("[0,1,2]", 6)),
            Err(Code::ContextExceeded)
        );
        assert_eq!(
            read_text(&workload("[0]", u32::MAX)),
            Err(Code::ContextExceeded)
        );
        assert_eq!(read_text(&workload("[]", 1)), Err(Code::WorkloadInvalid));
        assert_eq!(read_text(&workload("[0]", 0)), Err(Code::WorkloadInvalid));
        assert_eq!(
            read_text(r#"{"vocab_size":10,"prompts":[]}"#),
            Err(Code::WorkloadInvalid)
        );
        assert_eq!(read_text("[]"), Err(Code::WorkloadInvalid));
        let one = r#"{"vocab_size":10,"prompts":[{"input_ids":[1],"output_tokens":1}],"arrivals_ns":[2,1]}"#;
        assert_eq!(read_text(one), Err(Code::WorkloadInvalid));
        for prompt in [
            r#""text":"a""#,
            r#""messages":[]"#,
            r#""input_ids":[1],"natural":true"#,
        ] {
            let text = format!(r#"{{"vocab_size":10,"prompts":[{{{prompt},"output_tokens":1}}]}}"#);
            assert_eq!(read_text(&text), Err(Code::Unsupported));
        }
    }

    #[test]
    fn another_files_bytes_under_its_name_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let digest = digest::of(b"what was meant");
        let missing = read(folder.path(), &digest, &SHAPE).unwrap_err();
        assert_eq!(missing.code, Code::WorkloadMissing);
        std::fs::write(
            folder.path().join(format!("{digest}.json")),
            "what is there",
        )
        .unwrap();
        assert_eq!(
            read(folder.path(), &digest, &SHAPE).unwrap_err().code,
            Code::WorkloadMismatch
        );
    }

    #[test]
    fn a_digest_is_no_path() {
        let fault = read(Path::new("/"), &"../".repeat(22)[..64], &SHAPE).unwrap_err();
        assert_eq!(fault.code, Code::BadRequest);
    }
}
