use std::io::ErrorKind;
use std::mem::MaybeUninit;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Fault;
use super::answer::{Answer, Code, Reader};
use super::command::Command;

/// One connection. After a fault, or when a future of it was dropped, it must not be used again.
pub(crate) struct Connection {
    stream: TcpStream,
    reader: Reader,
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

    /// Sends one command and reads the one answer to it.
    pub(crate) async fn ask(&mut self, command: &Command<'_>) -> Result<Answer, Fault> {
        self.asked += 1;
        let bytes = command.bytes(self.asked);
        self.stream.write_all(&bytes).await.map_err(Fault::Broken)?;
        let answer = self
            .answer()
            .await
            .map_err(|fault| redact_key(fault, command))?;
        if !self.reader.is_empty() {
            return Err(Fault::Garbled("more than one answer"));
        }
        if !self.is_for(&answer, command) {
            return Err(Fault::Garbled("the answer to something else"));
        }
        Ok(answer)
    }

    async fn answer(&mut self) -> Result<Answer, Fault> {
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
        match (&answer.code, command) {
            (Code::Pong, Command::Ping) => true,
            // Before 1.6.18 a miss repeats nothing.
            (Code::Missing, Command::Get(_)) if answer.opaque.is_none() => true,
            (Code::Value(_), Command::Get(key)) => {
                answer.opaque == Some(self.asked)
                    && answer.key.as_deref() == Some(key.as_str().as_bytes())
            }
            _ => answer.opaque == Some(self.asked),
        }
    }

    /// Whether nothing has come since the last answer, not even the end.
    ///
    /// It asks the operating system, since the runtime may not have noticed yet that a server is gone.
    pub(crate) fn is_idle(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        let peeked = SockRef::from(&self.stream).peek(&mut byte);
        matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }
}

/// The fault without the key, should a server repeat it in an error.
fn redact_key(fault: Fault, command: &Command<'_>) -> Fault {
    match (fault, command.key()) {
        (Fault::Refused(text), Some(key)) if key.is_in(&text) => {
            Fault::Refused(String::from("an error that repeats the key"))
        }
        (fault, _) => fault,
    }
}
