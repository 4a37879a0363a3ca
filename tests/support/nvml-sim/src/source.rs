//! Load that is known beforehand: segments, once or for ever, and recorded traces.

use std::path::Path;

use crate::process::Change;
use crate::scenario::Segment;

/// Segments on their way.
#[derive(Debug)]
pub(crate) struct Segments {
    segments: Vec<Segment>,
    repeat: bool,
    next: usize,
    at_ns: u64,
    present: Option<u32>,
}

impl Segments {
    pub(crate) fn new(segments: Vec<Segment>, repeat: bool, start_ns: u64) -> Self {
        Self {
            segments,
            repeat,
            next: 0,
            at_ns: start_ns,
            present: None,
        }
    }

    /// What changes up to a moment, for which process.
    pub(crate) fn advance(&mut self, until_ns: u64) -> Vec<(u32, Change)> {
        let mut changes = Vec::new();
        while self.at_ns <= until_ns {
            if self.next == self.segments.len() && self.repeat {
                self.next = 0;
            }
            let segment = self.segments.get(self.next).copied();
            let pid = segment.and_then(|segment| segment.pid);
            if let Some(gone) = self.present.filter(|present| Some(*present) != pid) {
                changes.push((gone, Change::end(self.at_ns)));
            }
            self.present = pid;
            let Some(segment) = segment else {
                self.at_ns = u64::MAX;
                break;
            };
            if let Some(pid) = pid {
                let bytes = segment.mib << 20;
                changes.push((pid, Change::load(self.at_ns, segment.busy, bytes)));
            }
            self.at_ns += (segment.for_s * 1e9).round() as u64;
            self.next += 1;
        }
        changes
    }
}

/// Reads a trace: CSV with the header `t_s,watts`.
pub(crate) fn trace(path: &Path, start_ns: u64) -> Result<Vec<Change>, String> {
    let told = |what: String| format!("{}: {what}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| told(error.to_string()))?;
    let mut lines = text.lines();
    if lines.next().map(str::trim) != Some("t_s,watts") {
        return Err(told("the first line must be t_s,watts".to_owned()));
    }
    let mut changes: Vec<Change> = Vec::new();
    for (index, line) in lines.enumerate() {
        let row = line.split_once(',').and_then(|(t, w)| {
            Some((t.trim().parse::<f64>().ok()?, w.trim().parse::<f64>().ok()?))
        });
        let Some((t_s, watts)) = row else {
            return Err(told(format!("line {}: no pair of numbers", index + 2)));
        };
        if !(0.0..=1e7).contains(&t_s) || !(0.0..=100_000.0).contains(&watts) {
            return Err(told(format!("line {}: out of range", index + 2)));
        }
        let at_ns = start_ns + (t_s * 1e9).round() as u64;
        if changes.last().is_some_and(|last| at_ns <= last.at_ns) {
            return Err(told(format!("line {}: time does not grow", index + 2)));
        }
        changes.push(Change {
            watts: Some(watts),
            ..Change::load(at_ns, 0.0, 0)
        });
    }
    // The last row is the trace's end.
    if let Some(last) = changes.last_mut() {
        *last = Change::end(last.at_ns);
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_repeat_and_hand_over() {
        let list = vec![Segment::of(7, 1, 1.0, 0.5), Segment::bare(0.5)];
        let mut segments = Segments::new(list, true, 1_000);
        let changes = segments.advance(1_500_001_000);
        let ends: Vec<_> = changes
            .iter()
            .map(|(pid, change)| (*pid, change.at_ns, change.present))
            .collect();
        assert_eq!(
            ends,
            [
                (7, 1_000, true),
                (7, 500_001_000, false),
                (7, 1_000_001_000, true),
                (7, 1_500_001_000, false)
            ]
        );
        let mut once = Segments::new(vec![Segment::of(7, 1, 1.0, 0.5)], false, 0);
        assert_eq!(once.advance(u64::MAX - 1).len(), 2);
        assert_eq!(once.advance(u64::MAX - 1), []);
    }

    #[test]
    fn traces_are_read_strictly() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, "t_s,watts\n0.5,100\n1.5, 300.5\n2,0\n").unwrap();
        let changes = trace(&path, 10).unwrap();
        assert_eq!(changes.len(), 3);
        assert_eq!(
            (changes[1].at_ns, changes[1].watts),
            (1_500_000_010, Some(300.5))
        );
        assert!(!changes[2].present);
        for bad in [
            "watts\n1,1\n",
            "t_s,watts\n1\n",
            "t_s,watts\n1,2\n1,3\n",
            "t_s,watts\n1,-2\n",
        ] {
            std::fs::write(&path, bad).unwrap();
            assert!(trace(&path, 0).is_err(), "{bad}");
        }
    }
}
