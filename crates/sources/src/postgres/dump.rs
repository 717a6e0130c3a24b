//! One database as a stream: `pg_dump` in an exported snapshot, read back in full while it streams, and judged at the end against
//! the truth taken in the same snapshot.

use super::access::Access;
use super::error::PostgresError;
use super::measure::{self, Measure, Object};
use super::readback::{Contents, DataScript};
use super::session::Session;
use super::sql::Name;
use super::start::{self, Begun, Look, look};
use super::truth::{DatabaseTruth, LargeObjectsTruth, ObjectTruth, SequenceTruth, TableTruth};
use crate::process::{Ended, Running, ToolError, one_line};
use crate::steps::Slot;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use vow_store::source::Stream;

/// Objects named in a message.
const NAMED: usize = 10;

/// What is dumped, and how.
pub(crate) struct DumpPlan {
    pub(crate) access: Arc<Access>,
    pub(crate) server_version: u32,
    pub(crate) in_recovery: bool,
    pub(crate) exact_below_bytes: u64,
    pub(crate) lock_wait_secs: u32,
}

/// The stream of one database.
pub(crate) struct Dump {
    plan: Arc<DumpPlan>,
    slot: Option<Slot<DatabaseTruth>>,
    database: String,
    /// In the database since it was found there: nobody can drop it.
    session: Option<Session>,
    file: String,
    open: Option<Open>,
    ended: bool,
}

/// A dump that runs.
struct Open {
    dump: Running,
    out: ChildStdout,
    data: Reader<DataScript>,
    contents: Reader<Contents>,
    truth: Truth,
}

/// The truth, while it is taken. Let go of before, the thread is told to stop and waited for: it has a way to the server, with its
/// password, which must not outlive the run.
struct Truth {
    thread: Option<JoinHandle<Result<(Session, Measured), PostgresError>>>,
    stop: Arc<AtomicBool>,
}

/// A `pg_restore` that reads along.
struct Reader<T> {
    running: Running,
    stdin: Option<ChildStdin>,
    thread: JoinHandle<std::io::Result<T>>,
}

/// The truth before it was compared with the dump.
struct Measured {
    taken: String,
    objects: Vec<Object>,
    tables: measure::Tables,
    /// Every sequence of the moment.
    sequences: Vec<Name>,
    /// Where they stand, unless they are gone by now.
    values: Vec<SequenceTruth>,
    large_objects: LargeObjectsTruth,
    extensions: BTreeMap<String, String>,
}

impl Dump {
    pub(crate) fn new(
        plan: &Arc<DumpPlan>,
        slot: Slot<DatabaseTruth>,
        session: Session,
        file: String,
    ) -> Self {
        Self {
            plan: Arc::clone(plan),
            slot: Some(slot),
            database: session.database.clone(),
            session: Some(session),
            file,
            open: None,
            ended: false,
        }
    }

    fn start(&mut self, stop: &dyn Fn() -> bool) -> Result<Open, PostgresError> {
        let session = match self.session.take() {
            Some(session) => session,
            None => self.plan.access.session(&self.database, stop)?,
        };
        let plan = &self.plan;
        let Begun { mut session, dump, out, objects, sequences } =
            start::begin(plan, session, &self.database, stop)?;
        let data = self.reader(&["--section=data", "-f", "-"], |mut from| {
            let (mut script, mut buffer) = (DataScript::default(), vec![0; 256 << 10]);
            loop {
                match from.read(&mut buffer)? {
                    0 => return Ok(script),
                    read => script.feed(&buffer[..read]),
                }
            }
        })?;
        let contents = self.reader(&["--list"], |from| {
            let mut contents = Contents::default();
            for line in BufReader::new(from).split(b'\n') {
                contents.line(&String::from_utf8_lossy(&line?));
            }
            Ok(contents)
        })?;
        let stop = Arc::new(AtomicBool::new(false));
        let (plan, stopped, database) = (Arc::clone(plan), Arc::clone(&stop), self.database.clone());
        let take = move || {
            let stop = || stopped.load(Ordering::Relaxed);
            let measured = measure_all(&plan, &mut session, &database, objects, sequences, &stop)?;
            // The session goes back: its locks protect the dump for as long as it lives.
            Ok((session, measured))
        };
        let truth = Truth { thread: Some(std::thread::spawn(take)), stop };
        Ok(Open { dump, out, data, contents, truth })
    }

    fn reader<T: Send + 'static>(
        &self,
        arguments: &[&str],
        read: impl FnOnce(ChildStdout) -> std::io::Result<T> + Send + 'static,
    ) -> Result<Reader<T>, PostgresError> {
        let access = &self.plan.access;
        let mut command = access.command("pg_restore");
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = access.launcher.start(command)?;
        let (stdin, stdout) = (running.stdin()?, running.stdout()?);
        let thread = std::thread::spawn(move || read(stdout));
        Ok(Reader { running, stdin: Some(stdin), thread })
    }

    fn judge(&mut self, open: Open, stop: &dyn Fn() -> bool) -> Result<Vec<String>, PostgresError> {
        let not_whole =
            |reason: String| PostgresError::Dump { what: format!("database {:?}", self.database), reason };
        let Open { dump, out, data, contents, mut truth } = open;
        drop(out);
        // Its own word first: it explains what the others only notice.
        let dumped = dump.wait(stop)?.expect_success().map_err(|e| not_whole(e.to_string()))?;
        let (ended, cut, script) = data.join(stop)?;
        if let Err(error) = ended.expect_success() {
            return Err(not_whole(format!("it cannot be read back to its end: {error}")));
        }
        if cut {
            return Err(not_whole("it goes on behind its end".into()));
        }
        if !script.is_complete() {
            return Err(not_whole("it ends in the middle of a table".into()));
        }
        let (ended, _, contents) = contents.join(stop)?;
        ended
            .expect_success()
            .map_err(|e| not_whole(format!("its table of contents cannot be read: {e}")))?;
        let (_session, measured) = truth.wait(stop)?;
        let user_mappings =
            measured.objects.iter().filter(|object| object.kind == "user mapping").count() as u64;
        let missing = missing(&measured, &contents, &script);
        if !missing.is_empty() {
            return Err(not_whole(missing));
        }
        if contents.user_mappings != user_mappings {
            let found = contents.user_mappings;
            return Err(not_whole(format!("it has {found} user mappings, the database {user_mappings}")));
        }
        let mut degraded = warnings(&dumped);
        degraded.extend(measured.tables.left_out.iter().cloned());
        let truth = self.truth(measured, &script);
        if let Some(slot) = self.slot.take() {
            slot.done(truth);
        }
        Ok(degraded)
    }

    fn truth(&self, measured: Measured, script: &DataScript) -> DatabaseTruth {
        let Measured { taken, objects, tables, sequences: names, values, large_objects, extensions } =
            measured;
        let sequence = |(schema, name): Name| {
            let dumped = script.sequences.get(&(schema.clone(), name.clone())).copied();
            let value = values.iter().find(|value| (&value.schema, &value.name) == (&schema, &name));
            // One that was dropped meanwhile stood where the dump says.
            let (last_value, is_called) =
                value.map(|value| (value.last_value, value.is_called)).or(dumped)?;
            Some(SequenceTruth { schema, name, last_value, is_called, dumped })
        };
        let sequences = names.into_iter().filter_map(sequence).collect();
        let kinds = measure::kinds(&objects);
        let object = |Object { kind, name, digest, plain, .. }| ObjectTruth { kind, name, digest, plain };
        DatabaseTruth {
            name: self.database.clone(),
            dump: self.file.clone(),
            taken,
            kinds,
            objects: objects.into_iter().map(object).collect(),
            tables: tables.tables,
            sequences,
            large_objects,
            extensions,
        }
    }

    fn settle<T>(&mut self, result: Result<T, PostgresError>) -> Result<T, String> {
        result.map_err(|error| {
            if let Some(slot) = self.slot.take() {
                slot.failed(&error.to_string());
            }
            error.to_string()
        })
    }
}

impl Stream for Dump {
    fn read(&mut self, buffer: &mut [u8], stop: &dyn Fn() -> bool) -> Result<usize, String> {
        if self.ended {
            return Ok(0);
        }
        if self.open.is_none() {
            let open = self.start(stop);
            self.open = Some(self.settle(open)?);
        }
        let read = match &mut self.open {
            Some(open) => open.read(buffer, stop),
            None => Ok(0),
        };
        let read = self.settle(read)?;
        self.ended = read == 0;
        Ok(read)
    }

    fn finish(mut self: Box<Self>, stop: &dyn Fn() -> bool) -> Result<Vec<String>, String> {
        let verdict = match self.open.take() {
            Some(open) => self.judge(open, stop),
            None => Ok(Vec::new()),
        };
        self.settle(verdict)
    }
}

impl Open {
    fn read(&mut self, buffer: &mut [u8], stop: &dyn Fn() -> bool) -> Result<usize, PostgresError> {
        let pipe = |source| ToolError::Pipe { program: "pg_dump".into(), source };
        loop {
            let ready = look(&self.out)?;
            if stop() {
                return Err(ToolError::Stopped.into());
            }
            if ready == Look::Nothing {
                continue;
            }
            match self.out.read(buffer) {
                Ok(read) => {
                    self.data.write(&buffer[..read]);
                    self.contents.write(&buffer[..read]);
                    return Ok(read);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(pipe(error).into()),
            }
        }
    }
}

impl<T> Reader<T> {
    /// Hands on a piece. A reader that has closed its input gets no more; whether it may have is judged at the end.
    fn write(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if let Some(stdin) = &mut self.stdin
            && stdin.write_all(bytes).is_err()
        {
            self.stdin = None;
        }
    }

    /// Waits for the end: how it ended, whether it had closed its input before, and what it read.
    fn join(self, stop: &dyn Fn() -> bool) -> Result<(Ended, bool, T), PostgresError> {
        let Self { running, stdin, thread } = self;
        let cut = stdin.is_none();
        drop(stdin);
        let ended = running.wait(stop)?;
        let program = ended.program.clone();
        let read = thread.join().map_err(|_| ToolError::Lost { program: program.clone() })?;
        Ok((ended, cut, read.map_err(|source| ToolError::Pipe { program, source })?))
    }
}

impl Truth {
    fn wait(&mut self, stop: &dyn Fn() -> bool) -> Result<(Session, Measured), PostgresError> {
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            if stop() {
                return Err(ToolError::Stopped.into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let taken = self.thread.take().and_then(|thread| thread.join().ok());
        taken.unwrap_or_else(|| Err(ToolError::Lost { program: "psql".into() }.into()))
    }
}

impl Drop for Truth {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What it has to say counts no more.
            let _ = thread.join();
        }
    }
}

fn measure_all(
    plan: &DumpPlan,
    session: &mut Session,
    database: &str,
    objects: Vec<Object>,
    sequences: Vec<Name>,
    stop: &dyn Fn() -> bool,
) -> Result<Measured, PostgresError> {
    let taken = session.document("asking for the time", "SELECT to_json(transaction_timestamp())", stop)?;
    let limit = plan.exact_below_bytes;
    Ok(Measured {
        taken,
        objects,
        extensions: measure::extensions(session, stop)?,
        // In a session of its own, which keeps no lock: sequences cannot be locked like tables, and somebody who wants to change one
        // would make others wait for the whole dump.
        values: measure::sequence_values(&mut plan.access.session(database, stop)?, &sequences, stop)?,
        sequences,
        tables: measure::tables(session, &Measure::UpTo(limit), plan.in_recovery, stop)?,
        large_objects: measure::large_objects(session, |bytes| bytes <= limit, stop)?,
    })
}

/// What the database has and the dump has not, as a sentence; empty when nothing.
fn missing(measured: &Measured, contents: &Contents, script: &DataScript) -> String {
    let lost = |object: &&Object| object.toc && !contents.objects.contains(&(object.class, object.oid));
    let mut texts: Vec<_> = measured
        .objects
        .iter()
        .filter(lost)
        .map(|object| format!("{} {}", object.kind, object.name))
        .collect();
    let key = |schema: &str, name: &str| (schema.to_owned(), name.to_owned());
    for TableTruth { schema, name, relkind, rows, .. } in &measured.tables.tables {
        if relkind != "r" {
            continue;
        }
        let found = script.rows.get(&key(schema, name)).copied();
        match found {
            Some(found) if found == *rows => {}
            Some(found) => texts.push(format!("rows of table {schema}.{name} ({found} of {rows} are there)")),
            None => texts.push(format!("the data of table {schema}.{name}")),
        }
    }
    for (schema, name) in &measured.sequences {
        if !script.sequences.contains_key(&key(schema, name)) {
            texts.push(format!("the value of sequence {schema}.{name}"));
        }
    }
    if script.large_objects != measured.large_objects.count {
        let (found, count) = (script.large_objects, measured.large_objects.count);
        texts.push(format!("large objects ({found} of {count} are there)"));
    }
    let more = texts.len().saturating_sub(NAMED);
    texts.truncate(NAMED);
    if more > 0 {
        texts.push(format!("{more} more"));
    }
    match texts.is_empty() {
        true => String::new(),
        false => format!("it lacks {}", texts.join(", ")),
    }
}

/// Whatever a program that succeeded had to say degrades the snapshot: some of it, such as subscriptions that may not be read, is only
/// ever said in a warning.
pub(crate) fn warnings(ended: &Ended) -> Vec<String> {
    let mut warnings: Vec<String> = Vec::new();
    for line in ended.said.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let goes_on = line.contains(": hint: ") || line.contains(": detail: ");
        match warnings.last_mut().filter(|_| goes_on) {
            Some(last) => *last = one_line(&format!("{last}\n{line}")),
            None => warnings.push(line.to_owned()),
        }
    }
    warnings
}
