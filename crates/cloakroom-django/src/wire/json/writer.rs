use std::ops::Range;

use indexmap::IndexMap;

use super::scan::Sink;

/// Writes JSON as Python's `json` does with Django's separators, which contain no spaces.
pub(in crate::wire) struct JsonWriter {
    out: Vec<u8>,
    open: Vec<Open>,
}

/// A list or an object that is not complete.
enum Open {
    List {
        /// Whether the list has an element.
        begun: bool,
    },
    Dict {
        /// The position after the opening brace.
        start: usize,
        members: Vec<Member>,
    },
}

/// The position of a member in the output.
struct Member {
    key: Range<usize>,
    /// The end of the value.
    end: usize,
}

impl JsonWriter {
    pub(in crate::wire) fn with_capacity(bytes: usize) -> Self {
        Self {
            out: Vec::with_capacity(bytes),
            open: Vec::new(),
        }
    }

    pub(in crate::wire) fn len(&self) -> usize {
        self.out.len()
    }

    /// Drops everything after the first `len` bytes, and all open lists and objects.
    pub(in crate::wire) fn truncate(&mut self, len: usize) {
        self.out.truncate(len);
        self.open.clear();
    }

    pub(in crate::wire) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// Writes the comma before an element of a list, except before the first element.
    fn begin(&mut self) {
        if let Some(Open::List { begun }) = self.open.last_mut() {
            if *begun {
                self.out.push(b',');
            }
            *begun = true;
        }
    }

    fn put(&mut self, text: &[u8]) {
        self.begin();
        self.out.extend_from_slice(text);
    }

    fn quoted(&mut self, text: &[u8]) {
        self.out.push(b'"');
        escape(text, &mut self.out);
        self.out.push(b'"');
    }
}

impl Sink for JsonWriter {
    fn null(&mut self) {
        self.put(b"null");
    }

    fn bool(&mut self, yes: bool) {
        self.put(if yes { b"true" } else { b"false" });
    }

    fn int(&mut self, digits: &str) {
        self.put(digits.as_bytes());
    }

    fn float(&mut self, number: f64) {
        self.put(float(number).as_bytes());
    }

    fn text(&mut self, text: &[u8]) {
        self.begin();
        self.quoted(text);
    }

    fn list(&mut self) {
        self.put(b"[");
        self.open.push(Open::List { begun: false });
    }

    fn list_end(&mut self) {
        self.open.pop();
        self.out.push(b']');
    }

    fn dict(&mut self) {
        self.put(b"{");
        self.open.push(Open::Dict {
            start: self.out.len(),
            members: Vec::new(),
        });
    }

    fn key(&mut self, text: &[u8]) {
        let end = self.out.len();
        if let Some(Open::Dict { members, .. }) = self.open.last_mut()
            && let Some(last) = members.last_mut()
        {
            last.end = end;
            self.out.push(b',');
        }
        let start = self.out.len();
        self.quoted(text);
        let key = start..self.out.len();
        if let Some(Open::Dict { members, .. }) = self.open.last_mut() {
            members.push(Member { key, end: 0 });
        }
        self.out.push(b':');
    }

    fn dict_end(&mut self) {
        let end = self.out.len();
        if let Some(Open::Dict { start, mut members }) = self.open.pop() {
            if let Some(last) = members.last_mut() {
                last.end = end;
            }
            keep_last(&mut self.out, start, &members);
        }
        self.out.push(b'}');
    }
}

/// Removes duplicate members from the object whose members start at `start`. Of members with the
/// same key, the last is kept, at the position of the first, as in Python's dictionaries.
fn keep_last(out: &mut Vec<u8>, start: usize, members: &[Member]) {
    if members.len() < 2 {
        return;
    }
    let mut kept: IndexMap<&[u8], &Member> = IndexMap::with_capacity(members.len());
    for member in members {
        kept.insert(&out[member.key.clone()], member);
    }
    if kept.len() < members.len() {
        let texts: Vec<&[u8]> = kept
            .values()
            .map(|member| &out[member.key.start..member.end])
            .collect();
        let text = texts.join(&b","[..]);
        out.truncate(start);
        out.extend_from_slice(&text);
    }
}

/// Escapes quotes, backslashes and everything outside of `0x20` to `0x7E`.
pub(in crate::wire) fn escape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(special) = rest
        .iter()
        .position(|byte| !matches!(byte, 0x20..=0x7e) || matches!(byte, b'"' | b'\\'))
    {
        out.extend_from_slice(&rest[..special]);
        rest = &rest[special..];
        let short = match rest[0] {
            b'"' => b'"',
            b'\\' => b'\\',
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            _ => {
                let (code, len) = first(rest);
                rest = &rest[len..];
                if let Some(above) = code.checked_sub(0x1_0000) {
                    unicode(0xd800 + (above >> 10), out);
                    unicode(0xdc00 + (above & 0x3ff), out);
                } else {
                    unicode(code, out);
                }
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
        rest = &rest[1..];
    }
    out.extend_from_slice(rest);
}

fn unicode(unit: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
}

/// Returns the first code point of a text and its length in bytes.
fn first(text: &[u8]) -> (u32, usize) {
    let (bits, len) = match text[0] {
        lead @ 0..0x80 => (u32::from(lead), 1),
        lead @ 0x80..0xe0 => (u32::from(lead & 0x1f), 2),
        lead @ 0xe0..0xf0 => (u32::from(lead & 0x0f), 3),
        lead => (u32::from(lead & 0x07), 4),
    };
    let code = text[1..len]
        .iter()
        .fold(bits, |code, byte| code << 6 | u32::from(byte & 0x3f));
    (code, len)
}

/// Formats a float like Python's `repr`: the shortest decimal that parses back to the same number,
/// always with a decimal point or an exponent.
fn float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        let sign = if number < 0.0 { "-" } else { "" };
        return format!("{sign}Infinity");
    }
    let shortest = format!("{number:e}");
    let (mantissa, _) = shortest.split_once('e').expect("`{:e}` writes an exponent");
    let decimals = mantissa.split_once('.').map_or(0, |(_, part)| part.len());
    // Two shortest decimals can be equally near to the number. Python then writes the decimal with
    // an even last digit, but `{:e}` writes the upper one. Rounding to the same number of digits
    // results in the decimal that Python writes. Next to a power of two, the rounded decimal may
    // be another number, so it is used only if it parses back to the original number.
    let rounded = format!("{number:.decimals$e}");
    let text = match rounded.parse::<f64>() {
        Ok(read) if number == read => rounded,
        _ => shortest,
    };
    let (mantissa, exponent) = text.split_once('e').expect("`{:e}` writes an exponent");
    let exponent: i32 = exponent.parse().expect("`{:e}` writes a number");
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits = mantissa.replace('.', "");
    match exponent {
        0..16 => {
            let whole = exponent.unsigned_abs() as usize + 1;
            let padded = format!("{digits:0<whole$}");
            let (whole, part) = padded.split_at(whole);
            let part = if part.is_empty() { "0" } else { part };
            format!("{sign}{whole}.{part}")
        }
        -4..0 => {
            let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
            format!("{sign}0.{zeros}{digits}")
        }
        _ => {
            let direction = if exponent < 0 { '-' } else { '+' };
            let exponent = exponent.unsigned_abs();
            format!("{sign}{mantissa}e{direction}{exponent:02}")
        }
    }
}
