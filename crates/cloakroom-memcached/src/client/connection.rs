use std::io::ErrorKind;
use std::mem::MaybeUninit;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Fault;
use super::answer::{Answer, Code, Reader, WriteAnswer};
use super::command::Command;

/// A connection. Must not be used again after a fault, or after a future of [`ask`](Self::ask) was
/// dropped.
pub(crate) struct Connection {
    stream: TcpStream,
    reader: Reader,
    /// How many commands were sent. Each command contains its number, and its answer repeats this
    /// number.
    asked: u64,
}

impl Connection {
    pub(crate) async fn open(address: &str, max_value: usize) -> Result<Self, Fault> {
        let stream = TcpStream::connect(address)
            .await
            .map_err(Fault::Unreachable)?;
        stream.set_nodelay(true).map_err(Fault::Unreachable)?;
        Ok(Self {
            stream,
            reader: Reader::new(max_value),
            asked: 0,
        })
    }

    /// Sends a meta command and reads its answer.
    pub(crate) async fn ask(&mut self, command: &Command<'_>) -> Result<Answer, Fault> {
        self.send(command).await?;
        let answer = self.answer(command).await?;
        self.check(answer, command)
    }

    /// Sends a classic write and the `mg` behind it. Returns the answers to both.
    ///
    /// The result of the write is valid only if the answer to the `mg` has the number of the
    /// command. Without it, the write may have happened or not, whatever the server answered.
    pub(crate) async fn write(
        &mut self,
        command: &Command<'_>,
    ) -> Result<(WriteAnswer, Answer), Fault> {
        self.send(command).await?;
        let Code::Classic(stored) = self.answer(command).await?.code else {
            return Err(Fault::Garbled("an answer that does not fit the command"));
        };
        let check = self.answer(command).await;
        let check = check.map_err(|fault| match fault {
            Fault::Broken(_) | Fault::Closed | Fault::Garbled(_) => fault,
            _ => Fault::Garbled("an error after the answer to a write"),
        })?;
        Ok((stored, self.check(check, command)?))
    }

    async fn send(&mut self, command: &Command<'_>) -> Result<(), Fault> {
        self.asked += 1;
        let bytes = command.bytes(self.asked);
        self.stream.write_all(&bytes).await.map_err(Fault::Broken)
    }

    /// Returns `answer` if it is the last one and the one to `command`.
    fn check(&self, answer: Answer, command: &Command<'_>) -> Result<Answer, Fault> {
        if !self.reader.is_empty() {
            return Err(Fault::Garbled("more than one answer"));
        }
        if !self.is_for(&answer, command) {
            return Err(Fault::Garbled("the answer to another command"));
        }
        Ok(answer)
    }

    async fn answer(&mut self, command: &Command<'_>) -> Result<Answer, Fault> {
        let answer = self.next().await;
        answer.map_err(|fault| redact_key(fault, command))
    }

    async fn next(&mut self) -> Result<Answer, Fault> {
        loop {
            if let Some(answer) = self.reader.next()? {
                return Ok(answer);
            }
            let read = self.stream.read_buf(self.reader.room()).await;
            if read.map_err(Fault::Broken)? == 0 {
                return Err(Fault::Closed);
            }
        }
    }

    fn is_for(&self, answer: &Answer, command: &Command<'_>) -> bool {
        let has_number = answer.opaque == Some(self.asked);
        match (&answer.code, command) {
            (Code::Pong, Command::Ping) => true,
            // Servers before 1.6.18 do not repeat the number if an `mg` finds no item.
            (Code::Missing, Command::Get(_) | Command::Add(..) | Command::Replace(..))
                if answer.opaque.is_none() =>
            {
                true
            }
            (
                Code::Value(_),
                Command::Get(key) | Command::Add(key, _) | Command::Replace(key, ..),
            )
            | (Code::Done, Command::Add(key, _) | Command::Replace(key, ..)) => {
                has_number && answer.key.as_deref() == Some(key.as_str().as_bytes())
            }
            _ => has_number,
        }
    }

    /// Returns whether the connection is open and has received nothing since the last answer.
    ///
    /// Asks the operating system, because the runtime may not have noticed yet that the server
    /// closed the connection.
    pub(crate) fn is_idle(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        let peeked = SockRef::from(&self.stream).peek(&mut byte);
        matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }
}

/// Replaces the text of an error that the server returned, if the text contains the key.
fn redact_key(fault: Fault, command: &Command<'_>) -> Fault {
    match (fault, command.key()) {
        (Fault::Refused(text), Some(key)) if key.is_in(&text) => Fault::Refused(String::from(
            "an error that is not shown, since it contains the key",
        )),
        (fault, _) => fault,
    }
}
