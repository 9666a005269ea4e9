//! What a run found out: one line for each figure, for people or for programs.

use serde_json::json;

/// One figure.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    /// As printed, with its unit.
    pub(crate) value: String,
    /// The figure or figures themselves, in the order of `value`.
    pub(crate) numbers: Vec<f64>,
    /// What the design wants.
    pub(crate) target: &'static str,
    /// How many times the bare loop's figure of the same run.
    pub(crate) ratio: Option<f64>,
    pub(crate) calls: String,
    /// What went on at which rate.
    pub(crate) rate: String,
    /// How much of the machine nobody used, 0 to 1.
    pub(crate) idle: f64,
    /// Anything else that a reader needs.
    pub(crate) note: String,
}

/// How the figures are printed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    Text,
    JsonLines,
}

impl Figure {
    pub(crate) fn print(&self, form: Form) {
        match form {
            Form::Text => {
                let ratio = self.ratio.map(|it| format!("{it:.2} x bare loop")).unwrap_or_default();
                println!("{:<44} {:<22} {:<17} (to reach {})", self.name, self.value, ratio, self.target);
                println!("    calls {}; {}; idle {:.0} %", self.calls, self.rate, self.idle * 100.0);
                if !self.note.is_empty() {
                    println!("    {}", self.note);
                }
            }
            Form::JsonLines => println!(
                "{}",
                json!({
                    "name": self.name, "value": self.value, "numbers": self.numbers, "target": self.target,
                    "ratio": self.ratio, "calls": self.calls, "rate": self.rate, "idle": self.idle, "note": self.note,
                })
            ),
        }
    }
}

/// Says what the figures were measured on.
pub(crate) fn machine(form: Form) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let processor = info.lines().find(|it| it.starts_with("model name")).and_then(|it| it.split(": ").nth(1));
    let (processor, kernel) = (processor.unwrap_or("unknown"), read("/proc/sys/kernel/osrelease"));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    match form {
        Form::Text => println!("{cores} cores of {processor}, Linux {}, loopback\n", kernel.trim()),
        Form::JsonLines => {
            println!("{}", json!({"cores": cores, "processor": processor, "linux": kernel.trim()}));
        }
    }
}

/// The value below which that share of all lie; 0 of none.
pub(crate) fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (share * values.len() as f64).ceil() as usize;
    values.get(place.saturating_sub(1)).copied().unwrap_or(0.0)
}

/// Median and 99th percentile in milliseconds of values in milliseconds, as numbers and as text.
pub(crate) fn spread(values: &mut [f64]) -> (Vec<f64>, String) {
    let numbers = vec![percentile(values, 0.5), percentile(values, 0.99)];
    let digits = if numbers[1] < 2.0 { 3 } else { 1 };
    let text = format!("{:.digits$} / {:.digits$} ms", numbers[0], numbers[1]);
    (numbers, text)
}

/// How much more the second figure of each pair is for each one of the first, by the least squares of all pairs.
pub(crate) fn slope(pairs: &[(f64, f64)]) -> f64 {
    let count = pairs.len() as f64;
    let (x, y) = (pairs.iter().map(|it| it.0).sum::<f64>() / count, pairs.iter().map(|it| it.1).sum::<f64>() / count);
    let over: f64 = pairs.iter().map(|it| (it.0 - x) * (it.1 - y)).sum();
    let under: f64 = pairs.iter().map(|it| (it.0 - x).powi(2)).sum();
    // Points that lie together say how much there is, but not how it grows.
    if (under / count).sqrt() > x / 10.0 { over / under } else { y / x }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let mut values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!((percentile(&mut values, 0.5), percentile(&mut values, 0.99)), (100.0, 198.0));
        assert_eq!((percentile(&mut [7.0], 0.99), percentile(&mut [], 0.5)), (7.0, 0.0));
    }

    #[test]
    fn a_slope_leaves_out_what_is_there_anyway() {
        assert_eq!(slope(&[(100.0, 7.0), (300.0, 11.0)]), 0.02);
        assert_eq!(slope(&[(100.0, 7.0)]), 0.07);
        assert_eq!(slope(&[(100.0, 7.0), (100.0, 9.0)]), 0.08);
    }
}
