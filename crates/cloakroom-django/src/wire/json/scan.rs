use super::{MAX_DEPTH, MAX_DIGITS, NotJson};

/// Receives the parts of a JSON value while it is scanned.
///
/// Texts are UTF-8, except that they may contain halves of surrogate pairs, each in three bytes.
/// The two halves of one pair never occur next to each other, because a whole pair is received as
/// one character.
pub(in crate::wire) trait Sink {
    fn null(&mut self);
    fn bool(&mut self, yes: bool);
    /// Receives the digits as Python writes them.
    fn int(&mut self, digits: &str);
    fn float(&mut self, number: f64);
    fn text(&mut self, text: &[u8]);
    fn list(&mut self);
    fn list_end(&mut self);
    fn dict(&mut self);
    fn key(&mut self, text: &[u8]);
    fn dict_end(&mut self);
}

/// How bytes above `0x7F` are read.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(in crate::wire) enum Charset {
    /// Each byte is one character, as in Django.
    Latin1,
    /// The bytes are UTF-8, as in values from a handler. The caller has validated them.
    Utf8,
}

/// Reads JSON as Python's `json` does.
pub(in crate::wire) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    charset: Charset,
    /// The last string that was read.
    string: Vec<u8>,
}

impl<'a> Scanner<'a> {
    pub(in crate::wire) fn new(text: &'a [u8], charset: Charset) -> Self {
        Self {
            text,
            at: 0,
            charset,
            string: Vec::new(),
        }
    }

    /// Skips the opening brace of an object, or returns `false` if the text does not start with
    /// one.
    pub(super) fn opens_object(&mut self) -> bool {
        self.skip_byte(b'{')
    }

    /// Returns the key of the next member, or `None` after the last. `first` is `true` before the
    /// first member.
    pub(super) fn next_key(&mut self, first: bool) -> Result<Option<&[u8]>, NotJson> {
        if self.skip_byte(b'}') {
            return Ok(None);
        }
        if !first {
            self.expect(b',')?;
        }
        self.key()?;
        Ok(Some(&self.string))
    }

    /// Reads the whole input as one string and returns its text.
    pub(in crate::wire) fn only_string(mut self) -> Result<Vec<u8>, NotJson> {
        self.expect(b'"')?;
        self.string()?;
        match self.at == self.text.len() {
            true => Ok(self.string),
            false => Err(NotJson),
        }
    }

    /// Checks that only spaces are left.
    pub(super) fn end(&mut self) -> Result<(), NotJson> {
        self.space();
        match self.at == self.text.len() {
            true => Ok(()),
            false => Err(NotJson),
        }
    }

    /// Scans one value.
    ///
    /// Tracks open lists and objects in a vector instead of by recursion, so that each level costs
    /// only one byte.
    pub(super) fn value(&mut self, sink: &mut impl Sink) -> Result<(), NotJson> {
        let mut open = Vec::new();
        loop {
            if open.len() == MAX_DEPTH {
                return Err(NotJson);
            }
            match self.next()? {
                b'{' => {
                    sink.dict();
                    if self.skip_byte(b'}') {
                        sink.dict_end();
                    } else {
                        self.key()?;
                        sink.key(&self.string);
                        open.push(b'}');
                        continue;
                    }
                }
                b'[' => {
                    sink.list();
                    if self.skip_byte(b']') {
                        sink.list_end();
                    } else {
                        open.push(b']');
                        continue;
                    }
                }
                first => self.scalar(first, sink)?,
            }
            // The value is complete. Close the lists and objects that end with it.
            loop {
                match open.last() {
                    None => return Ok(()),
                    Some(b']') if self.skip_byte(b']') => sink.list_end(),
                    Some(b'}') if self.skip_byte(b'}') => sink.dict_end(),
                    Some(closing) => {
                        let in_object = *closing == b'}';
                        self.expect(b',')?;
                        if in_object {
                            self.key()?;
                            sink.key(&self.string);
                        }
                        break;
                    }
                }
                open.pop();
            }
        }
    }

    fn scalar(&mut self, first: u8, sink: &mut impl Sink) -> Result<(), NotJson> {
        match first {
            b'"' => {
                self.string()?;
                sink.text(&self.string);
            }
            b'n' => self.word(b"ull").map(|()| sink.null())?,
            b't' => self.word(b"rue").map(|()| sink.bool(true))?,
            b'f' => self.word(b"alse").map(|()| sink.bool(false))?,
            b'N' => self.word(b"aN").map(|()| sink.float(f64::NAN))?,
            b'I' => self.word(b"nfinity").map(|()| sink.float(f64::INFINITY))?,
            b'-' if self.text[self.at..].starts_with(b"I") => self
                .word(b"Infinity")
                .map(|()| sink.float(f64::NEG_INFINITY))?,
            b'-' | b'0'..=b'9' => self.number(first, sink)?,
            _ => return Err(NotJson),
        }
        Ok(())
    }

    fn number(&mut self, first: u8, sink: &mut impl Sink) -> Result<(), NotJson> {
        let start = self.at - 1;
        let leading = match first {
            b'-' => self.byte()?,
            digit => digit,
        };
        match leading {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return Err(NotJson),
        }
        let whole = self.at;
        if let [b'.', b'0'..=b'9', ..] = self.text[self.at..] {
            self.at += 1;
            self.digits();
        }
        if let [b'e' | b'E', b'0'..=b'9', ..] | [b'e' | b'E', b'+' | b'-', b'0'..=b'9', ..] =
            self.text[self.at..]
        {
            self.at += 2;
            self.digits();
        }
        let text = std::str::from_utf8(&self.text[start..self.at]).expect("digits are ASCII");
        if self.at > whole {
            sink.float(text.parse().expect("scanned above"));
        } else if text.trim_start_matches('-').len() > MAX_DIGITS {
            return Err(NotJson);
        } else {
            sink.int(if text == "-0" { "0" } else { text });
        }
        Ok(())
    }

    fn digits(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    /// Reads a string up to its closing quote. The opening quote has already been read.
    fn string(&mut self) -> Result<(), NotJson> {
        self.string.clear();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest
                .iter()
                .position(|byte| !matches!(byte, 0x20..=0x7f) || matches!(byte, b'"' | b'\\'))
                .ok_or(NotJson)?;
            self.string.extend_from_slice(&rest[..plain]);
            self.at += plain;
            match self.byte()? {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                byte @ 0x80.. if self.charset == Charset::Latin1 => {
                    push(&mut self.string, u32::from(byte));
                }
                byte @ 0x80.. => self.string.push(byte),
                _ => return Err(NotJson),
            }
        }
    }

    fn escape(&mut self) -> Result<(), NotJson> {
        let char = match self.byte()? {
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let mut code = self.hex()?;
                if (0xd800..0xdc00).contains(&code) && self.text[self.at..].starts_with(b"\\u") {
                    let before = self.at;
                    self.at += 2;
                    let low = self.hex()?;
                    if (0xdc00..0xe000).contains(&low) {
                        code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                    } else {
                        self.at = before;
                    }
                }
                push(&mut self.string, code);
                return Ok(());
            }
            byte @ (b'"' | b'\\' | b'/') => byte,
            _ => return Err(NotJson),
        };
        self.string.push(char);
        Ok(())
    }

    fn hex(&mut self) -> Result<u32, NotJson> {
        let digits = self.text.get(self.at..self.at + 4).ok_or(NotJson)?;
        self.at += 4;
        digits.iter().try_fold(0, |code, &digit| {
            let digit = char::from(digit).to_digit(16).ok_or(NotJson)?;
            Ok(code << 4 | digit)
        })
    }

    fn key(&mut self) -> Result<(), NotJson> {
        self.expect(b'"')?;
        self.string()?;
        self.expect(b':')
    }

    fn word(&mut self, rest: &[u8]) -> Result<(), NotJson> {
        if !self.text[self.at..].starts_with(rest) {
            return Err(NotJson);
        }
        self.at += rest.len();
        Ok(())
    }

    /// Returns the next byte that is not a space.
    fn next(&mut self) -> Result<u8, NotJson> {
        self.space();
        self.byte()
    }

    /// Skips spaces and then `byte`. Returns `false` if `byte` does not come next.
    fn skip_byte(&mut self, byte: u8) -> bool {
        self.space();
        let there = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, byte: u8) -> Result<(), NotJson> {
        match self.skip_byte(byte) {
            true => Ok(()),
            false => Err(NotJson),
        }
    }

    fn byte(&mut self) -> Result<u8, NotJson> {
        let byte = *self.text.get(self.at).ok_or(NotJson)?;
        self.at += 1;
        Ok(byte)
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.text.get(self.at) {
            self.at += 1;
        }
    }
}

/// Appends a code point, which may be half of a surrogate pair.
pub(in crate::wire) fn push(text: &mut Vec<u8>, code: u32) {
    match char::from_u32(code) {
        Some(char) => text.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        None => text.extend_from_slice(&[
            0xe0 | (code >> 12) as u8,
            0x80 | (code >> 6 & 0x3f) as u8,
            0x80 | (code & 0x3f) as u8,
        ]),
    }
}
