//! Answers questions about a store on stdin and stdout: the part of hythe that runs in a helper container.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::frame::{Head, Kind, LARGEST, Question};
use crate::store::Store;

/// The most bytes of a question. An image may have some hundred layers.
const QUESTION: u64 = 256 << 10;
/// Questions that are answered at the same time.
const THREADS: usize = 64;

/// Answers questions until the input ends: hythe went away, or needs no more. Each question has a thread.
pub fn answer_questions(
    store: Store,
    input: impl Read,
    output: impl Write + Send + 'static,
) -> io::Result<()> {
    let (store, output) = (Arc::new(store), Arc::new(Mutex::new(output)));
    let (mut input, mut line) = (BufReader::new(input), Vec::new());
    let mut threads: Vec<std::thread::JoinHandle<()>> = Vec::new();
    loop {
        line.clear();
        if (&mut input).take(QUESTION).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let question: Question = serde_json::from_slice(&line)?;
        threads.retain(|thread| !thread.is_finished());
        if threads.len() == THREADS {
            return Err(io::Error::other("too many questions at the same time"));
        }
        let (store, output) = (Arc::clone(&store), Arc::clone(&output));
        threads.push(std::thread::spawn(move || answer(&store, &question, output)));
    }
}

fn answer(store: &Store, question: &Question, output: Arc<Mutex<impl Write>>) {
    let mut frames = Frames { number: question.number, output, filling: Vec::with_capacity(LARGEST) };
    let ended = store.answer(&question.ask, &mut frames).and_then(|()| frames.flush());
    let (kind, text) = match ended {
        Ok(()) => (Kind::End, String::new()),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => (Kind::Damaged, error.to_string()),
        Err(error) => (Kind::Failed, error.to_string()),
    };
    // An error means that hythe is gone; then the input ends too.
    let _ = frames.send(kind, text.as_bytes());
}

/// The frames of one answer.
struct Frames<W> {
    number: u32,
    output: Arc<Mutex<W>>,
    filling: Vec<u8>,
}

impl<W: Write> Frames<W> {
    fn send(&self, kind: Kind, content: &[u8]) -> io::Result<()> {
        let head = Head { kind, number: self.number, length: content.len() };
        let mut output = self.output.lock();
        output.write_all(&head.write())?;
        output.write_all(content)?;
        output.flush()
    }
}

impl<W: Write> Write for Frames<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(LARGEST - self.filling.len());
        self.filling.extend_from_slice(&bytes[..taken]);
        if self.filling.len() == LARGEST {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.filling.is_empty() {
            self.send(Kind::Bytes, &self.filling)?;
            self.filling.clear();
        }
        Ok(())
    }
}
