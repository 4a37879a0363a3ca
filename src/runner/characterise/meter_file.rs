//! A physical meter's readings: CSV with a header, `monotonic_ns` or `unix_us`, and `watts`.

use camino::Utf8Path;

use super::CharacteriseError;
use crate::energy::PowerReading;
use crate::store::read_bounded;
use crate::telemetry::ClockPair;

/// Largest file, in bytes: an hour at 5 kHz.
const MAX_BYTES: u64 = 1024 * 1024 * 1024;

/// Reads it, ascending by time.
pub(super) fn read(path: &Utf8Path) -> Result<Vec<PowerReading>, CharacteriseError> {
    let failed = |reason: String| CharacteriseError::Meter {
        path: path.to_owned(),
        reason,
    };
    let bytes = read_bounded(path, MAX_BYTES).map_err(|error| failed(error.source.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| failed("it is not UTF-8".to_owned()))?;
    parse(&text, ClockPair::now()).map_err(failed)
}

fn parse(text: &str, clock: ClockPair) -> Result<Vec<PowerReading>, String> {
    let mut lines = text.lines().enumerate();
    let (_, header) = lines.next().ok_or("it is empty")?;
    let names: Vec<&str> = header.split(',').map(str::trim).collect();
    let column = |name: &str| names.iter().position(|column| *column == name);
    let watts_column = column("watts").ok_or("its header has no column watts")?;
    let (time_column, unix) = match (column("monotonic_ns"), column("unix_us")) {
        (Some(column), _) => (column, false),
        (None, Some(column)) => (column, true),
        (None, None) => return Err("its header has neither monotonic_ns nor unix_us".to_owned()),
    };
    let mut readings = Vec::new();
    let mut lines = lines.peekable();
    while let Some((index, line)) = lines.next() {
        // A meter that is still writing has not finished its last line.
        let torn = lines.peek().is_none() && !text.ends_with('\n');
        if line.trim().is_empty() || torn {
            continue;
        }
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let wrong = |what: &str| format!("line {}: {what}", index + 1);
        let time: u64 = cells
            .get(time_column)
            .and_then(|cell| cell.parse().ok())
            .ok_or_else(|| wrong("its time is not a whole number"))?;
        let watts: f64 = cells
            .get(watts_column)
            .and_then(|cell| cell.parse().ok())
            .filter(|watts: &f64| watts.is_finite())
            .ok_or_else(|| wrong("its watts are not a number"))?;
        let at_ns = if unix {
            clock
                .to_monotonic_ns(time)
                .ok_or_else(|| wrong("it is older than this boot"))?
        } else {
            time
        };
        readings.push(PowerReading { at_ns, watts });
    }
    readings.sort_by_key(|reading| reading.at_ns);
    Ok(readings)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: ClockPair = ClockPair {
        realtime_ns: 2_000_000_000_000,
        monotonic_ns: 1_000_000_000_000,
        width_ns: 0,
    };

    #[test]
    fn either_clock_is_read() {
        let monotonic = parse("watts, monotonic_ns\n5.5,20\n4,10\n", CLOCK);
        let reading = |at_ns, watts| PowerReading { at_ns, watts };
        assert_eq!(monotonic, Ok(vec![reading(10, 4.0), reading(20, 5.5)]));
        let unix = parse("unix_us,x,watts\n1500000000,,7\n15000000", CLOCK);
        assert_eq!(unix, Ok(vec![reading(500_000_000_000, 7.0)]));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, said) in [
            ("", "empty"),
            ("a,b\n", "no column watts"),
            ("watts\n", "neither"),
            ("unix_us,watts\n1,2\n", "line 2: it is older"),
            ("monotonic_ns,watts\n1,NaN\n", "line 2: its watts"),
            ("monotonic_ns,watts\n-1,2\n", "line 2: its time"),
            ("monotonic_ns,watts\n\n1\n", "line 3: its watts"),
        ] {
            let error = parse(text, CLOCK).expect_err(text);
            assert!(error.contains(said), "{text:?}: {error}");
        }
    }
}
