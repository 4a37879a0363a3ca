//! What lies on disk against what the journal cites, before a campaign goes on: a result that is not what it was counts no
//! more, and a seal without its files gets them again.

use super::{Opened, RunnerError};
use crate::clock::Clock;
use crate::execution::{Attempt, Event, ResultFile};
use crate::journal::{Head, replay};
use crate::manifest::{MANIFEST_FILE, SUMS_FILE, SealError, check_result, mend_seal};

impl Opened {
    /// Writes what a sealed campaign lacks of its seal: manifest and list of hashes, where a crash came in between or
    /// somebody removed them.
    ///
    /// # Errors
    /// If a cited file is not what it was, the manifest cannot be made again, or something cannot be read or written.
    pub fn mend_seal(&self) -> Result<(), RunnerError> {
        let folder = self.folders.manifests();
        if [MANIFEST_FILE, SUMS_FILE]
            .iter()
            .all(|name| folder.join(name).exists())
        {
            return Ok(());
        }
        let mut before = None;
        replay(&self.folders.results(), |entry| {
            if matches!(entry.event, Event::Sealed { .. }) {
                before = Some(Head {
                    events: entry.seq - 1,
                    sha256: entry.prev,
                });
            }
            Ok(())
        })?;
        if let Some(head) = before {
            mend_seal(&self.folders, &self.planned.campaign, &self.state, head)?;
        }
        Ok(())
    }

    /// Looks at the results of all attempts; one that is no longer what the journal cites is given up,
    /// and if it stood, its run is due again. Gives one sentence for each.
    ///
    /// # Errors
    /// If one cannot be read now, or the journal cannot be written.
    pub fn recheck(&mut self, clock: &dyn Clock) -> Result<Vec<String>, RunnerError> {
        let plan = self.planned.plan.clone();
        let runs = plan.runs.iter().enumerate();
        let runs = runs.map(|(run, planned)| (planned.id.clone(), self.state.history(run)));
        let mut cited = Vec::new();
        for (run, history) in runs {
            cited.extend(results(&run, history));
        }
        // What an edit retired is sealed, too.
        for retired in self.state.retired() {
            cited.extend(results(&retired.run, retired.attempts.into_iter()));
        }
        let mut lost = Vec::new();
        for (run, attempt, result) in cited {
            match check_result(&self.folders, &result) {
                Ok(_) => {}
                Err(error @ SealError::Altered { .. }) => {
                    lost.push((run, attempt, error.to_string()));
                }
                Err(SealError::Store(error)) if error.is_missing() => {
                    lost.push((run, attempt, error.to_string()));
                }
                // Good for all that is known: nothing is given up because it cannot be read now.
                Err(error) => return Err(error.into()),
            }
        }
        let mut sentences = Vec::new();
        for (run, attempt, reason) in lost {
            sentences.push(format!(
                "attempt {attempt} at {run} counts no more: {reason}"
            ));
            self.record(
                &Event::ResultLost {
                    run,
                    attempt,
                    reason,
                },
                clock,
            )?;
        }
        Ok(sentences)
    }
}

/// The results of a run's attempts, by run and number.
fn results(run: &str, history: impl Iterator<Item = Attempt>) -> Vec<(String, u32, ResultFile)> {
    let numbered = (1_u32..).zip(history);
    let results = numbered.filter_map(|(number, attempt)| Some((number, attempt.result?)));
    results
        .map(|(number, result)| (run.to_owned(), number, result))
        .collect()
}
