//! Whether something fits, asked before it is tried: a worker that the kernel kills says nothing.

use std::fs;
use std::path::Path;

use candle_core::DType;
use lem_protocol::Prompt;

use crate::fault::{Code, Fault};
use crate::model::Shape;

/// Refuses `needed` bytes for `what` when they are not there.
pub fn check(what: &str, needed: u128) -> Result<(), Fault> {
    match available(Path::new("/")) {
        Some(available) if needed > u128::from(available) => Err(Fault::new(
            Code::OutOfMemory,
            format!(
                "{what} needs {} MiB, but {} MiB are available",
                needed >> 20,
                available >> 20
            ),
        )
        .hint("make the model or batch_size smaller, or raise mem_limit in the Compose file")),
        // Where the kernel does not say, the kernel decides.
        _ => Ok(()),
    }
}

/// Bytes that loading needs at its height: the weights, and the largest matrix once more in 32 bits.
pub fn to_load(shape: &Shape, dtype: DType) -> u128 {
    let largest = shape.hidden_size as u128 * shape.vocab_size.max(shape.intermediate_size) as u128;
    let rotary = shape.context_length as u128 * shape.head_dim() as u128;
    shape.weights() * dtype.size_in_bytes() as u128 + (2 * largest + 2 * rotary) * 4
}

/// Bytes of the keys and values of `together` of the longest of these prompts.
pub fn caches(shape: &Shape, dtype: DType, prompts: &[Prompt], together: usize) -> u128 {
    let whole = prompts
        .iter()
        .map(|prompt| prompt.input_ids.len() + prompt.output_tokens as usize)
        .max()
        .unwrap_or(0);
    together as u128 * whole as u128 * shape.cache_bytes_per_token(dtype)
}

/// Bytes that `together` sequences of these prompts need at their height: caches, and the activations
/// of a step in which all of them are prefilled.
pub fn to_run(shape: &Shape, dtype: DType, prompts: &[Prompt], together: usize) -> u128 {
    let longest =
        |length: fn(&Prompt) -> usize| prompts.iter().map(length).max().unwrap_or(0) as u128;
    let input = longest(|prompt| prompt.input_ids.len());
    let whole = longest(|prompt| prompt.input_ids.len() + prompt.output_tokens as usize);
    let caches = caches(shape, dtype, prompts, together);
    let together = together as u128;
    let size = dtype.size_in_bytes() as u128;
    let streams =
        together * input * (8 * shape.hidden_size + 3 * shape.intermediate_size) as u128 * size;
    // Scores, their softmax, and the mask; one sequence at a time.
    let attention = 3 * shape.num_heads as u128 * input * whole * size;
    let logits = 2 * together * shape.vocab_size as u128 * 4;
    caches + streams + attention + logits
}

/// The least of what the machine and the container's cgroup (version 2 or 1) have left.
fn available(root: &Path) -> Option<u64> {
    let machine = machine(root);
    let v2 = group(
        root,
        "sys/fs/cgroup",
        "memory.max",
        "memory.current",
        "inactive_file",
    );
    let v1 = group(
        root,
        "sys/fs/cgroup/memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    );
    [machine, v2, v1].into_iter().flatten().min()
}

fn machine(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let kibibytes = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let number: u64 = kibibytes
        .trim()
        .strip_suffix("kB")?
        .trim_end()
        .parse()
        .ok()?;
    number.checked_mul(1024)
}

/// A cgroup's limit less its use; file pages that the kernel would drop first do not count as used.
fn group(root: &Path, folder: &str, limit: &str, used: &str, droppable: &str) -> Option<u64> {
    let folder = root.join(folder);
    let number = |file: &str| {
        fs::read_to_string(folder.join(file))
            .ok()?
            .trim()
            .parse::<u64>()
            .ok()
    };
    // `max` is no number: no limit.
    let limit = number(limit)?;
    let used = number(used)?;
    let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let droppable = stat
        .lines()
        .find_map(|line| line.strip_prefix(droppable)?.trim().parse::<u64>().ok())
        .unwrap_or(0);
    Some(limit.saturating_sub(used.saturating_sub(droppable)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal: 9 kB\nMemAvailable:    1000 kB\n");

    #[test]
    fn a_machine_without_limits() {
        assert_eq!(available(root(&[MEMINFO]).path()), Some(1_024_000));
        assert_eq!(available(root(&[]).path()), None);
        let max = [
            MEMINFO,
            ("sys/fs/cgroup/memory.max", "max\n"),
            ("sys/fs/cgroup/memory.current", "5\n"),
        ];
        assert_eq!(available(root(&max).path()), Some(1_024_000));
    }

    #[test]
    fn the_tighter_limit_of_either_version_counts() {
        let v2 = [
            MEMINFO,
            ("sys/fs/cgroup/memory.max", "1000\n"),
            ("sys/fs/cgroup/memory.current", "700\n"),
            ("sys/fs/cgroup/memory.stat", "anon 1\ninactive_file 200\n"),
        ];
        assert_eq!(available(root(&v2).path()), Some(500));
        let v1 = [
            MEMINFO,
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1000\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1700\n"),
        ];
        assert_eq!(available(root(&v1).path()), Some(0));
    }

    #[test]
    fn the_largest_shape_does_not_wrap_around() {
        let shape = Shape {
            hidden_size: 1 << 16,
            num_layers: 1024,
            num_heads: 1024,
            num_kv_heads: 1024,
            intermediate_size: 1 << 18,
            vocab_size: 1 << 20,
            context_length: 1 << 20,
        };
        let prompt = Prompt {
            input_ids: vec![0; 1],
            output_tokens: (1 << 20) - 1,
            ..Prompt::default()
        };
        assert_eq!(
            check("the model", to_load(&shape, DType::F32))
                .unwrap_err()
                .code,
            Code::OutOfMemory
        );
        let needed = to_run(&shape, DType::F32, &[prompt], 4096);
        assert!(needed > 4096 * (1 << 20) * shape.cache_bytes_per_token(DType::F32));
    }
}
