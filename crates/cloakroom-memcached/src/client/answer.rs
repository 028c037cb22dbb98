use std::str::{self, FromStr};

use bytes::{Buf, Bytes, BytesMut};

use super::Fault;

/// The answer to a command. Only the answer to a meta command has fields.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) code: Code,
    /// The number that was sent with the command. It shows which command the server answers.
    pub(crate) opaque: Option<u64>,
    pub(crate) key: Option<Bytes>,
    /// The number for compare-and-swap.
    pub(crate) cas: Option<u64>,
    /// The number by which clients distinguish kinds of values.
    pub(crate) flags: Option<u32>,
}

#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Code {
    /// `VA`: the value of the item.
    Value(Bytes),
    /// `HD`: the command was carried out.
    Done,
    /// `EN` and `NF`: there is no such item.
    Missing,
    /// `EX`: nothing was changed, because the item's CAS number is not the one in the command.
    Exists,
    /// The answer to a classic write.
    Classic(WriteAnswer),
    /// `MN`: the answer to `mn`.
    Pong,
}

/// The result of a classic write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum WriteAnswer {
    /// `STORED`: the item was stored.
    Stored,
    /// `NOT_STORED`: the item was not added, because there already is an item with this key.
    NotStored,
    /// `EXISTS`: the item was not replaced, because its CAS number is not the one in the command.
    Exists,
    /// `NOT_FOUND`: there is no item to replace.
    NotFound,
}

/// Parses answers from the bytes of a server, which may arrive in pieces of any size.
///
/// Validates every number. Buffers at most one line, one value and one piece. The buffer grows only
/// when bytes arrive, not when the server announces the size of a value.
pub(crate) struct Reader {
    buffer: BytesMut,
    max_value: usize,
}

impl Reader {
    pub(crate) fn new(max_value: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            max_value,
        }
    }

    /// Returns the buffer, with room for the next piece.
    pub(crate) fn room(&mut self) -> &mut BytesMut {
        self.buffer.reserve(PIECE);
        &mut self.buffer
    }

    /// Returns whether all bytes received were consumed.
    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Returns the next answer, or `None` if it has not arrived completely. Must not be called
    /// again after a fault.
    pub(crate) fn next(&mut self) -> Result<Option<Answer>, Fault> {
        let start = &self.buffer[..self.buffer.len().min(MAX_LINE)];
        let Some(end) = start.iter().position(|byte| *byte == b'\n') else {
            return match start.len() {
                MAX_LINE => Err(Fault::Garbled("a line that does not end")),
                _ => Ok(None),
            };
        };
        let Some(line) = start[..end].strip_suffix(b"\r") else {
            return Err(Fault::Garbled("a line that ends without a carriage return"));
        };

        let mut words = line.split(|byte| *byte == b' ');
        let code = words.next().unwrap_or_default();
        let code = match code {
            b"VA" => {
                let size = words.next().and_then(number::<u64>);
                let size = size.ok_or(Fault::Garbled("a value without a size"))?;
                return self.value(end + 1, size);
            }
            b"HD" => Code::Done,
            b"EN" | b"NF" => Code::Missing,
            b"EX" => Code::Exists,
            b"STORED" => Code::Classic(WriteAnswer::Stored),
            b"NOT_STORED" => Code::Classic(WriteAnswer::NotStored),
            b"EXISTS" => Code::Classic(WriteAnswer::Exists),
            b"NOT_FOUND" => Code::Classic(WriteAnswer::NotFound),
            b"MN" => Code::Pong,
            b"ERROR" | b"CLIENT_ERROR" | b"SERVER_ERROR" => {
                return Err(Fault::Refused(printable_start(line)));
            }
            _ => return Err(Fault::Garbled("an unknown answer code")),
        };
        let answer = answer(code, words)?;
        self.buffer.advance(end + 1);
        Ok(Some(answer))
    }

    /// Parses an answer whose first line has `line_len` bytes and announces a value of `size`
    /// bytes.
    fn value(&mut self, line_len: usize, size: u64) -> Result<Option<Answer>, Fault> {
        let size = usize::try_from(size)
            .ok()
            .filter(|size| *size <= self.max_value);
        let size = size.ok_or(Fault::Oversized)?;
        if self.buffer.len() < line_len + size + END.len() {
            return Ok(None);
        }
        let line = self.buffer.split_to(line_len).freeze();
        let value = self.buffer.split_to(size).freeze();
        if !self.buffer.starts_with(END) {
            return Err(Fault::Garbled("a value that is longer than announced"));
        }
        self.buffer.advance(END.len());
        let words = line[..line_len - END.len()].split(|byte| *byte == b' ');
        answer(Code::Value(value), words.skip(2)).map(Some)
    }
}

/// Returns the answer with this code and these fields, each of which is a letter followed by a
/// value. Ignores unknown fields.
fn answer<'a>(code: Code, fields: impl Iterator<Item = &'a [u8]>) -> Result<Answer, Fault> {
    let mut answer = Answer {
        code,
        opaque: None,
        key: None,
        cas: None,
        flags: None,
    };
    for field in fields {
        match field.split_first() {
            Some((b'O', opaque)) => answer.opaque = Some(checked(opaque)?),
            Some((b'c', cas)) => answer.cas = Some(checked(cas)?),
            Some((b'f', flags)) => answer.flags = Some(checked(flags)?),
            Some((b'k', key)) => answer.key = Some(Bytes::copy_from_slice(key)),
            _ => {}
        }
    }
    Ok(answer)
}

fn checked<N: FromStr>(digits: &[u8]) -> Result<N, Fault> {
    number(digits).ok_or(Fault::Garbled("a malformed number"))
}

/// Parses a number that consists only of digits. `parse` alone would also accept a sign.
fn number<N: FromStr>(digits: &[u8]) -> Option<N> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(digits).ok()?.parse().ok()
}

/// Returns the start of a line for an error message. Replaces every unprintable byte with `?`.
fn printable_start(line: &[u8]) -> String {
    let line = &line[..line.len().min(MAX_MESSAGE)];
    line.iter()
        .map(|byte| match byte {
            b' '..=b'~' => char::from(*byte),
            _ => '?',
        })
        .collect()
}

const END: &[u8] = b"\r\n";

/// The maximum length of the first line of an answer, in bytes. Every valid line is shorter: it
/// contains at most a key of 250 bytes and four numbers.
const MAX_LINE: usize = 512;

/// How many bytes of the server's error line go into our error message.
const MAX_MESSAGE: usize = 120;

/// How much room the buffer has for a piece, in bytes.
const PIECE: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_answer_is_parsed_into_code_value_and_fields() {
        let mut reader = reader(b"VA 5 c42 f1 ksite:6b O7\r\na\r\nb\r\r\nEN O8\r\nHD\r\n");

        let value = reader.next().unwrap().unwrap();
        assert_eq!(value.code, Code::Value("a\r\nb\r".into()));
        assert_eq!((value.cas, value.opaque), (Some(42), Some(7)));
        assert_eq!(value.flags, Some(1));
        assert_eq!(value.key.as_deref(), Some(&b"site:6b"[..]));
        let missing = reader.next().unwrap().unwrap();
        assert_eq!((missing.code, missing.opaque), (Code::Missing, Some(8)));
        assert_eq!(reader.next().unwrap().unwrap().opaque, None);
        assert_eq!(reader.next().unwrap(), None);
        assert!(reader.is_empty());
    }

    #[test]
    fn a_malformed_answer_is_a_fault() {
        let line_without_end = [b'V'; MAX_LINE];
        let faults: [&[u8]; 15] = [
            b"VA\r\n",
            b"VA -1\r\n\r\n",
            b"VA +1\r\nx\r\n",
            b"VA  1\r\nx\r\n",
            b"VA 1x\r\nx\r\n",
            b"VA 18446744073709551616\r\n",
            b"VA 1\r\nxy\r\n",
            b"HD c\r\n",
            b"HD O-1\r\n",
            b"HD f4294967296\r\n",
            b"HD\n",
            b"\r\n",
            b"va 1\r\n",
            b"VALUE k 0 1\r\nx\r\nEND\r\n",
            &line_without_end,
        ];
        for bytes in faults {
            let fault = reader(bytes).next();
            assert!(
                matches!(fault, Err(Fault::Garbled(_))),
                "{}",
                bytes.escape_ascii()
            );
        }
    }

    #[test]
    fn a_value_whose_announced_size_is_too_large_is_refused_before_it_is_read() {
        for size in [MAX_VALUE + 1, usize::MAX] {
            let mut reader = reader(format!("VA {size} O1\r\n").as_bytes());
            assert!(matches!(reader.next(), Err(Fault::Oversized)));
            assert!(reader.buffer.capacity() <= 2 * PIECE);
        }
    }

    #[test]
    fn the_text_of_an_error_is_truncated_and_made_printable() {
        let bytes = [b"SERVER_ERROR \x1b[31m", &[b'x'; 300][..], b"\r\n"].concat();

        let Err(Fault::Refused(text)) = reader(&bytes).next() else {
            panic!("the error line was not parsed as a refusal");
        };
        assert!(text.starts_with("SERVER_ERROR ?[31mxxx"), "{text}");
        assert_eq!(text.len(), MAX_MESSAGE);
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_buffers_at_most_one_answer_and_one_piece(
            bytes in prop_oneof![vec(any::<u8>(), 0..3_000), likely()],
            pieces in vec(1..700_usize, 1..20),
        ) {
            let mut reader = Reader::new(MAX_VALUE);
            for piece in cut(&bytes, &pieces) {
                reader.room().extend_from_slice(piece);
                while let Ok(Some(_)) = reader.next() {}
                prop_assert!(reader.buffer.capacity() <= 2 * (MAX_VALUE + MAX_LINE + PIECE));
                if reader.next().is_err() {
                    break;
                }
                prop_assert!(reader.buffer.len() < MAX_LINE + MAX_VALUE + END.len());
            }
        }

        #[test]
        fn answers_do_not_depend_on_the_size_of_the_pieces(
            bytes in likely(),
            pieces in vec(1..700_usize, 1..20),
        ) {
            let whole = answers(bytes.chunks(bytes.len().max(1)));
            prop_assert_eq!(&answers(cut(&bytes, &pieces).into_iter()), &whole);
            prop_assert_eq!(&answers(bytes.chunks(1)), &whole);
        }
    }

    /// Generates sequences of valid and nearly valid answers.
    fn likely() -> impl Strategy<Value = Vec<u8>> {
        let value = (vec(any::<u8>(), 0..2_000), any::<u64>(), any::<u64>()).prop_map(
            |(value, cas, opaque)| {
                let head = format!("VA {} c{cas} kk O{opaque}\r\n", value.len());
                [head.as_bytes(), &value, b"\r\n"].concat()
            },
        );
        let line = prop_oneof![
            "(STORED|NOT_STORED|EXISTS|NOT_FOUND)\r\n",
            "(HD|EN|EX|NF|MN)( (O|c)[0-9]{1,21}| k[a-z:]{0,9}| [a-z0-9]{0,4}){0,4}\r\n",
            "VA [0-9]{0,6}( c[0-9]{1,3})?\r?\n",
            "(SERVER_ERROR|CLIENT_ERROR|ERROR)( [ -~]{0,200})?\r\n",
        ]
        .prop_map(String::into_bytes);
        vec(prop_oneof![value, line], 0..6).prop_map(|answers| answers.concat())
    }

    fn cut<'a>(mut bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
        let mut pieces = Vec::new();
        for size in sizes.iter().cycle() {
            if bytes.is_empty() {
                break;
            }
            let (piece, rest) = bytes.split_at((*size).min(bytes.len()));
            pieces.push(piece);
            bytes = rest;
        }
        pieces
    }

    /// Returns all answers up to the first fault, and whether there was a fault.
    fn answers<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Answer>, bool) {
        let mut reader = Reader::new(MAX_VALUE);
        let mut answers = Vec::new();
        for piece in pieces {
            reader.room().extend_from_slice(piece);
            loop {
                match reader.next() {
                    Ok(Some(answer)) => answers.push(answer),
                    Ok(None) => break,
                    Err(_) => return (answers, true),
                }
            }
        }
        (answers, false)
    }

    fn reader(bytes: &[u8]) -> Reader {
        let mut reader = Reader::new(MAX_VALUE);
        reader.room().extend_from_slice(bytes);
        reader
    }

    const MAX_VALUE: usize = 1_000;
}
