//! The ladder: a column for the server and one for each leg, time running down. The leg that came first stands on the left,
//! the others on the right; a column that is free is used again.

use std::{collections::BTreeMap, fmt::Write as _};

use domain::{ids::LegId, record::Audit};
use storage::{CallEvent, EventKind};

use super::story::{Scene, Sip, Story};

/// The whole text, at most [`WIDTH`] columns wide.
pub(super) fn draw(story: &Story) -> String {
    let columns = Columns::of(story);
    let mut text = columns.heading(story);
    let mut drawn: BTreeMap<usize, LegId> = columns.first();
    text.push_str(&columns.names(story, &drawn));
    for scene in &story.scenes {
        let leg = match scene {
            Scene::Event(it) => it.leg,
            Scene::Audit(_) => None,
        };
        // A column that begins to stand for another leg says so.
        if let Some((leg, at)) = leg.and_then(|it| Some((it, *columns.of.get(&it)?)))
            && drawn.insert(at, leg) != Some(leg)
        {
            text.push_str(&columns.names(story, &BTreeMap::from([(at, leg)])));
        }
        text.push_str(&columns.scene(story, scene));
    }
    text
}

struct Columns {
    /// Where each leg is drawn: 0 is left of the server, which is at 1.
    of: BTreeMap<LegId, usize>,
    /// From one column to the next.
    step: usize,
    count: usize,
}

impl Columns {
    fn of(story: &Story) -> Self {
        let mut spans: Vec<(LegId, usize, usize)> = Vec::new();
        for (at, scene) in story.scenes.iter().enumerate() {
            let Scene::Event(CallEvent { leg: Some(leg), .. }) = scene else { continue };
            match spans.iter_mut().find(|it| it.0 == *leg) {
                Some(span) => span.2 = at,
                None => spans.push((*leg, at, at)),
            }
        }
        let mut of = BTreeMap::new();
        // Until when each column right of the server is taken.
        let mut taken: Vec<usize> = Vec::new();
        for (number, (leg, from, to)) in spans.into_iter().enumerate() {
            if number == 0 {
                of.insert(leg, 0);
                continue;
            }
            let free = taken.iter().position(|until| *until < from).unwrap_or(taken.len());
            match taken.get_mut(free) {
                Some(until) => *until = to,
                None => taken.push(to),
            }
            of.insert(leg, free + 2);
        }
        let count = taken.len() + 2;
        let step = (WIDTH - TIME - NAME) / (count - 1);
        Self { of, step: step.clamp(NARROWEST, WIDEST), count }
    }

    fn heading(&self, story: &Story) -> String {
        let mut text = format!("call {}\n", story.call);
        // Writing into a string cannot fail.
        let _ = writeln!(text, "begun {}; times are seconds since then", story.begun());
        let mut legs: Vec<_> = story.legs.iter().collect();
        legs.sort_by_key(|it| (self.of.get(it.0), *it.0));
        for (leg, who) in legs {
            let peers = (1..).zip(&who.peers).map(|(number, it)| match who.peers.len() {
                1 => format!("  {it}"),
                _ => format!("  [{number}] {it}"),
            });
            let _ = writeln!(text, "  {:<18} {:<20}{}", story.name(*leg), leg.to_string(), peers.collect::<String>());
        }
        text.push('\n');
        text
    }

    /// The legs that have their columns at the beginning.
    fn first(&self) -> BTreeMap<usize, LegId> {
        let mut first = BTreeMap::new();
        for (leg, at) in &self.of {
            first.entry(*at).or_insert(*leg);
        }
        first
    }

    fn names(&self, story: &Story, legs: &BTreeMap<usize, LegId>) -> String {
        let mut row = vec![' '; WIDTH];
        for at in 0..self.count {
            let name = match legs.get(&at) {
                Some(leg) => story.name(*leg),
                None if at == SERVER && legs.len() > 1 => "undertone".to_owned(),
                None => "|".to_owned(),
            };
            let short: String = name.chars().take(self.step - 1).collect();
            put(&mut row, TIME + at * self.step, &short);
        }
        line(&row)
    }

    fn scene(&self, story: &Story, scene: &Scene) -> String {
        let time = format!("{:>9.3}", scene.at().since(story.begun()).as_secs_f64());
        match scene {
            Scene::Audit(it) => self.note(&time, &format!("audit: {}", audit(it))),
            Scene::Event(it) => match (Sip::of(it), it.leg.and_then(|leg| Some((leg, *self.of.get(&leg)?)))) {
                (Some(sip), Some((leg, at))) => {
                    let place = story.place(leg, sip.peer).map_or_else(String::new, |it| format!(" [{it}]"));
                    let comes_in = it.kind == EventKind::SipIn;
                    self.arrow(&time, at, comes_in, &format!("{}{place}", sip.label()))
                }
                _ => words(story, it).map_or_else(String::new, |words| self.note(&time, &words)),
            },
        }
    }

    /// A message between a leg's column and the server's, its label beside the leg.
    fn arrow(&self, time: &str, leg: usize, comes_in: bool, label: &str) -> String {
        let place = |column: usize| TIME + column * self.step;
        let mut row = self.bars(time);
        let (left, right) = (place(leg.min(SERVER)), place(leg.max(SERVER)));
        for at in left + 1..right {
            if row.get(at) == Some(&' ') {
                put(&mut row, at, "-");
            }
        }
        let goes_right = comes_in == (leg < SERVER);
        put(&mut row, if goes_right { right - 1 } else { left + 1 }, if goes_right { ">" } else { "<" });
        let gap = if leg < SERVER { left } else { right - self.step };
        let room = self.step - 5;
        let mut label: String = label.chars().take(room).collect();
        label = format!(" {label} ");
        put(&mut row, gap + (self.step - label.chars().count()).div_ceil(2), &label);
        line(&row)
    }

    /// Words that belong to no column, broken where they are too long.
    fn note(&self, time: &str, words: &str) -> String {
        let mut text = String::new();
        let mut row = format!("{time}  ");
        for word in words.split(' ') {
            if row.chars().count() + 1 + word.chars().count() > WIDTH {
                text.push_str(row.trim_end());
                text.push('\n');
                row = " ".repeat(TIME + 4);
            }
            row.push_str(word);
            row.push(' ');
        }
        text.push_str(row.trim_end());
        text.push('\n');
        text
    }

    fn bars(&self, time: &str) -> Vec<char> {
        let mut row = vec![' '; WIDTH];
        put(&mut row, 0, time);
        for at in 0..self.count {
            put(&mut row, TIME + at * self.step, "|");
        }
        row
    }
}

/// What a ladder says of an event that is no message. What is ordered shows as the messages that it leads to.
fn words(story: &Story, it: &CallEvent) -> Option<String> {
    let first = it.lines.first().map_or("", String::as_str);
    match it.kind {
        EventKind::Ordered => None,
        EventKind::Told => Some(format!("{} {first}", story.name(it.leg?))),
        EventKind::Matrix => {
            let rest = it.lines.get(1..).unwrap_or_default().join("; ");
            let rest = if rest.is_empty() { "nobody hears anybody" } else { &rest };
            Some(format!("matrix {first}: {rest}"))
        }
        EventKind::Applied => Some(format!("matrix {first} is in force")),
        EventKind::Over => Some(format!("the call is over: {first}")),
        EventKind::Gap => Some(format!("GAP: {first}")),
        EventKind::SipIn | EventKind::SipOut => Some(it.lines.join(" ")),
    }
}

fn audit(it: &Audit) -> String {
    let mut text = format!("{:?}", it.what);
    if let Some(operation) = it.operation {
        let _ = write!(text, " {operation:?}");
    }
    let _ = write!(text, " by {}", it.supervisor_name);
    if let Some(number) = &it.supervisor_number {
        let _ = write!(text, " at {number}");
    }
    match (&it.target_name, &it.target_number) {
        (Some(name), Some(number)) => drop(write!(text, " on {name} at {number}")),
        (Some(it), None) => drop(write!(text, " on {it}")),
        (None, Some(it)) => drop(write!(text, " on {it}")),
        (None, None) => {}
    }
    if let Some(reason) = &it.reason {
        let _ = write!(text, ": {reason}");
    }
    text
}

fn put(row: &mut [char], at: usize, text: &str) {
    for (place, letter) in row.iter_mut().skip(at).zip(text.chars()) {
        *place = letter;
    }
}

fn line(row: &[char]) -> String {
    let text: String = row.iter().collect();
    format!("{}\n", text.trim_end())
}

/// Columns of the page.
const WIDTH: usize = 120;
/// Before the first column of the ladder.
const TIME: usize = 12;
/// For the name of the last column.
const NAME: usize = 16;
const NARROWEST: usize = 12;
const WIDEST: usize = 30;
/// Where the server stands.
const SERVER: usize = 1;
