//! The journal of a run: lines that each hold the checksum of themselves and of all before them.
//!
//! ```text
//! 8a1c05f3 ledger 1 0.1.0 PLAN PARTITION 48:25165824
//! 91b07d20 boot 4e0c6f0e-…      an attempt begins, under this start of the machine
//! 0f6b2c11 begin 0 17           part and task
//! 55d01e9a done 0 17            its pixels are written
//! c2a94b70 synced 4             so many lines, and the pixels they speak of, are on the disk
//! 7be3f0a6 effect 2 5e0c…       what root 2 does outside of the folder begins, under this name
//! ```
//! A process that is killed may leave half a line, which the next one cuts off with all that follows.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use crate::place;

/// Of this form of the folder.
const FORM: u32 = 1;

/// What a run is: what has to be equal for its tasks to be taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// The version of the engine.
    pub engine: String,
    /// Digest of what is computed from which versions of which files.
    pub plan: u128,
    /// Digest of how it is cut into tasks and how their pixels lie.
    pub partition: u128,
    pub parts: Vec<Size>,
}

/// Of a stage or root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub tasks: usize,
    pub bytes: u64,
}

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    New,
    Begun,
    Done,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Boot(String),
    Begin(usize, usize),
    Done(usize, usize),
    Synced(u64),
    Effect(usize, String),
}

/// What earlier attempts came to.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) states: Vec<Vec<State>>,
    pub(super) recomputed: usize,
    pub(super) attempts: usize,
    /// Roots whose effects were begun, each with the name it was done under.
    pub(super) effects: BTreeMap<usize, String>,
    pub(super) end: End,
}

/// Where a journal goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct End {
    /// Bytes.
    pub(super) len: u64,
    pub(super) lines: u64,
    pub(super) sum: u32,
}

#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    end: End,
}

/// This start of the machine; where the system does not tell, another one each time.
pub(super) fn boot() -> String {
    let told = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
    let told = told.map(|text| text.trim().to_owned()).filter(|text| is_word(text));
    told.unwrap_or_else(|| {
        let now = jiff::Timestamp::now().as_nanosecond();
        format!("unknown-{now:x}-{:x}", std::process::id())
    })
}

/// What a journal says to a process under this start of the machine; `None` without a first line.
pub(super) fn replay(bytes: &[u8], boot: &str) -> Option<(Outline, Past)> {
    let mut end = End::default();
    let outline = Outline::parse(end.line(bytes)?)?;
    let new = |size: &Size| vec![State::New; size.tasks];
    let states = outline.parts.iter().map(new).collect();
    let mut past = Past { states, recomputed: 0, attempts: 0, effects: BTreeMap::new(), end };
    // Tasks that are done and not yet on the disk, each with its line.
    let mut waiting: Vec<(u64, usize, usize)> = Vec::new();
    let mut last: Option<String> = None;
    while let Some(record) = end.line(bytes).and_then(Record::parse) {
        match record {
            Record::Boot(boot) => {
                if last.as_ref() != Some(&boot) {
                    past.forget(&mut waiting);
                }
                past.attempts += 1;
                last = Some(boot);
            }
            Record::Begin(part, task) => {
                let Some(state) = past.state(part, task) else { break };
                let again = *state != State::New;
                *state = State::Begun;
                past.recomputed += usize::from(again);
            }
            Record::Done(part, task) => {
                let Some(state) = past.state(part, task) else { break };
                *state = State::Done;
                waiting.push((end.lines, part, task));
            }
            Record::Synced(lines) => waiting.retain(|(line, ..)| *line > lines),
            Record::Effect(root, name) => drop(past.effects.entry(root).or_insert(name)),
        }
        past.end = end;
    }
    if last.as_deref() != Some(boot) {
        past.forget(&mut waiting);
    }
    Some((outline, past))
}

impl Past {
    fn state(&mut self, part: usize, task: usize) -> Option<&mut State> {
        self.states.get_mut(part)?.get_mut(task)
    }

    /// The machine stopped: what was not on the disk is not done.
    fn forget(&mut self, waiting: &mut Vec<(u64, usize, usize)>) {
        for (_, part, task) in waiting.drain(..) {
            self.states[part][task] = State::Begun;
        }
    }
}

impl End {
    /// The text of the next line if it is whole; this is behind it then.
    fn line<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b str> {
        let rest = bytes.get(usize::try_from(self.len).ok()?..)?;
        let line = &rest[..rest.iter().position(|&b| b == b'\n')?];
        let (sum, text) = std::str::from_utf8(line).ok()?.split_once(' ')?;
        let next = self.after(text);
        (sum == format!("{:08x}", next.sum)).then(|| {
            *self = next;
            text
        })
    }

    /// Behind a line with this text.
    fn after(self, text: &str) -> End {
        End {
            // The checksum, a space and the end of the line.
            len: self.len + text.len() as u64 + 10,
            lines: self.lines + 1,
            sum: crc32c::crc32c_append(self.sum, text.as_bytes()),
        }
    }
}

impl Journal {
    /// What a journal is called before it is whole.
    pub(super) const NEW: &'static str = "journal-new";

    /// Writes a journal of which nothing is known but what it is for.
    pub(super) fn create(folder: &Path, name: &str, outline: &Outline) -> std::io::Result<Past> {
        let text = outline.text();
        let end = End::default().after(&text);
        let new = folder.join(Self::NEW);
        let mut file = File::create(&new)?;
        writeln!(file, "{:08x} {text}", end.sum)?;
        file.sync_all()?;
        std::fs::rename(&new, folder.join(name))?;
        let states = outline.parts.iter().map(|size| vec![State::New; size.tasks]).collect();
        Ok(Past { states, recomputed: 0, attempts: 0, effects: BTreeMap::new(), end })
    }

    /// Goes on behind `end`.
    pub(super) fn open(path: &Path, end: End) -> std::io::Result<Journal> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(end.len)?;
        Ok(Journal { file, end })
    }

    /// A line at the end. One that is not written whole is overwritten by the next one.
    pub(super) fn append(&mut self, record: &Record) -> std::io::Result<()> {
        let text = record.text();
        let end = self.end.after(&text);
        let line = format!("{:08x} {text}\n", end.sum);
        place::write(&self.file, line.as_bytes(), self.end.len)?;
        self.end = end;
        Ok(())
    }

    pub(super) fn lines(&self) -> u64 {
        self.end.lines
    }

    /// Another handle, to be synced.
    pub(super) fn file(&self) -> std::io::Result<File> {
        self.file.try_clone()
    }
}

impl Record {
    fn text(&self) -> String {
        match self {
            Record::Boot(boot) => format!("boot {boot}"),
            Record::Begin(part, task) => format!("begin {part} {task}"),
            Record::Done(part, task) => format!("done {part} {task}"),
            Record::Synced(lines) => format!("synced {lines}"),
            Record::Effect(root, name) => format!("effect {root} {name}"),
        }
    }

    fn parse(text: &str) -> Option<Record> {
        let words: Vec<&str> = text.split(' ').collect();
        Some(match words[..] {
            ["boot", boot] => Record::Boot(boot.to_owned()),
            ["begin", part, task] => Record::Begin(part.parse().ok()?, task.parse().ok()?),
            ["done", part, task] => Record::Done(part.parse().ok()?, task.parse().ok()?),
            ["synced", lines] => Record::Synced(lines.parse().ok()?),
            ["effect", root, name] => Record::Effect(root.parse().ok()?, (*name).to_owned()),
            _ => return None,
        })
    }
}

impl Outline {
    /// The first thing that differs, as a reason to start anew.
    pub(super) fn difference(&self, other: &Outline) -> Option<&'static str> {
        if self.engine != other.engine {
            Some("it was made by another version of Eolith")
        } else if self.plan != other.plan {
            Some("it is of another plan: the process or its data are not the same")
        } else if self.partition != other.partition || self.parts != other.parts {
            Some("the plan was cut into other tasks: memory, threads or format are not the same")
        } else {
            None
        }
    }

    fn text(&self) -> String {
        let Outline { engine, plan, partition, parts } = self;
        let mut text = format!("ledger {FORM} {engine} {plan:032x} {partition:032x}");
        for Size { tasks, bytes } in parts {
            text += &format!(" {tasks}:{bytes}");
        }
        text
    }

    fn parse(text: &str) -> Option<Outline> {
        let mut words = text.split(' ');
        if words.next() != Some("ledger") || words.next()?.parse() != Ok(FORM) {
            return None;
        }
        let engine = words.next()?.to_owned();
        let mut digest = || u128::from_str_radix(words.next()?, 16).ok();
        let (plan, partition) = (digest()?, digest()?);
        let size = |word: &str| {
            let (tasks, bytes) = word.split_once(':')?;
            Some(Size { tasks: tasks.parse().ok()?, bytes: bytes.parse().ok()? })
        };
        let parts = words.map(size).collect::<Option<Vec<_>>>()?;
        Some(Outline { engine, plan, partition, parts })
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())
}
