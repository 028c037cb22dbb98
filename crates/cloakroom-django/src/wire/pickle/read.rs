use std::collections::HashMap;

use bytes::{Buf, Bytes};

use super::super::json::{MAX_DIGITS, push};
use super::tree::{Construction, Node, ObjectEdit, Tree};
use super::write::{
    ADDITEMS, BINBYTES8, BINUNICODE8, BYTEARRAY8, EMPTY_SET, FROZENSET, LONG1, LONG4, NEWFALSE,
    NEWOBJ, NEWOBJ_EX, NEWTRUE, PROTO, SHORT_BINUNICODE, STACK_GLOBAL, TUPLE1, TUPLE2, TUPLE3,
};
use super::{MAX_BYTES, MAX_NODES, Refused};

/// Reads a pickle without executing it. Returns all objects that the pickle builds, and the index
/// of the object that the whole pickle represents. Bytes after the end of the pickle are ignored,
/// as in Python.
pub(super) fn parse(data: &Bytes) -> Result<(Tree, u32), Refused> {
    if data.len() > MAX_BYTES {
        return Err(Refused("it is too large"));
    }
    let mut machine = Machine {
        rest: data.clone(),
        tree: Tree::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        protocol: 0,
    };
    // The loop ends, because each iteration consumes at least one of at most `MAX_BYTES` bytes, and
    // `byte` returns an error when no byte is left.
    loop {
        match machine.byte()? {
            b'.' => {
                let top = machine.pop()?;
                return Ok((machine.tree, top));
            }
            opcode => machine.step(opcode)?,
        }
    }
}

/// The stack machine for which a pickle is a program. Unlike Python's machine, this one makes no
/// calls; it only records them.
struct Machine {
    rest: Bytes,
    tree: Tree,
    stack: Vec<u32>,
    /// The height of the stack at each mark. A mark is set before a group of objects is pushed, for
    /// example the items of a list.
    marks: Vec<usize>,
    memo: HashMap<u64, u32>,
    protocol: u8,
}

impl Machine {
    fn step(&mut self, opcode: u8) -> Result<(), Refused> {
        match opcode {
            PROTO => {
                self.protocol = self.byte()?;
                if self.protocol > MAX_PROTOCOL {
                    return Err(Refused("its protocol is newer than 5"));
                }
            }
            FRAME => {
                if self.len64()? > self.rest.len() {
                    return Err(CUT_OFF);
                }
            }

            b'(' => {
                if self.marks.len() == MAX_NODES {
                    return Err(TOO_MANY);
                }
                self.marks.push(self.stack.len());
            }
            b'0' if self.stack.len() > self.floor() => {
                self.stack.pop();
            }
            b'0' | b'1' => {
                self.above_mark()?;
            }
            b'2' => {
                let top = self.top()?;
                self.push(top)?;
            }

            b'p' => {
                let index = self.number_line()?;
                self.put(index)?;
            }
            b'q' => {
                let index = self.byte()?;
                self.put(index.into())?;
            }
            b'r' => {
                let index = self.len32()?;
                self.put(index as u64)?;
            }
            MEMOIZE => self.put(self.memo.len() as u64)?,
            b'g' => {
                let index = self.number_line()?;
                self.get(index)?;
            }
            b'h' => {
                let index = self.byte()?;
                self.get(index.into())?;
            }
            b'j' => {
                let index = self.len32()?;
                self.get(index as u64)?;
            }

            b'N' => self.node(Node::None)?,
            NEWTRUE => self.node(Node::Bool(true))?,
            NEWFALSE => self.node(Node::Bool(false))?,
            b'I' => {
                let node = match &self.line()?[..] {
                    b"00" => Node::Bool(false),
                    b"01" => Node::Bool(true),
                    digits => integer(digits)?,
                };
                self.node(node)?;
            }
            b'L' => {
                let line = self.line()?;
                let node = integer(line.strip_suffix(b"L").unwrap_or(&line))?;
                self.node(node)?;
            }
            b'J' => {
                let number = self.array().map(i32::from_le_bytes)?;
                self.node(Node::Int(number.into()))?;
            }
            b'K' => {
                let number = self.byte()?;
                self.node(Node::Int(number.into()))?;
            }
            b'M' => {
                let number = self.array().map(u16::from_le_bytes)?;
                self.node(Node::Int(number.into()))?;
            }
            LONG1 => {
                let len = self.byte()?;
                self.long(len.into())?;
            }
            LONG4 => {
                let len = self.array().map(i32::from_le_bytes)?;
                self.long(usize::try_from(len).map_err(|_| BROKEN)?)?;
            }
            b'F' => {
                let line = self.line()?;
                let text = std::str::from_utf8(&line).map_err(|_| BROKEN)?;
                let number = text.trim().parse().map_err(|_| BROKEN)?;
                self.node(Node::Float(number))?;
            }
            b'G' => {
                let number = self.array().map(f64::from_be_bytes)?;
                self.node(Node::Float(number))?;
            }

            SHORT_BINUNICODE => {
                let len = self.byte()?;
                self.text(len.into())?;
            }
            b'X' => {
                let len = self.len32()?;
                self.text(len)?;
            }
            BINUNICODE8 => {
                let len = self.len64()?;
                self.text(len)?;
            }
            b'V' => {
                let line = self.line()?;
                let text = raw_unicode_escape(&line)?;
                self.node(Node::Text(text.into()))?;
            }
            b'S' => {
                let line = self.line()?;
                let ([b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"']) = line.trim_ascii_end()
                else {
                    return Err(BROKEN);
                };
                self.python2_text(line.slice_ref(inner))?;
            }
            b'T' => {
                let len = self.array().map(i32::from_le_bytes)?;
                let text = self.bytes(usize::try_from(len).map_err(|_| BROKEN)?)?;
                self.python2_text(text)?;
            }
            b'U' => {
                let len = self.byte()?;
                let text = self.bytes(len.into())?;
                self.python2_text(text)?;
            }
            b'C' => {
                let len = self.byte()?;
                let bytes = self.bytes(len.into())?;
                self.node(Node::Bytes(bytes))?;
            }
            b'B' => {
                let len = self.len32()?;
                let bytes = self.bytes(len)?;
                self.node(Node::Bytes(bytes))?;
            }
            BINBYTES8 => {
                let len = self.len64()?;
                let bytes = self.bytes(len)?;
                self.node(Node::Bytes(bytes))?;
            }
            BYTEARRAY8 => {
                let len = self.len64()?;
                let bytes = self.bytes(len)?;
                self.node(Node::ByteArray(bytes))?;
            }

            b']' => self.node(Node::List(Vec::new()))?,
            b'}' => self.node(Node::Dict(Vec::new()))?,
            b')' => self.node(Node::Tuple(Vec::new()))?,
            EMPTY_SET => self.node(Node::Set(Vec::new()))?,
            b'l' => {
                let items = self.above_mark()?;
                self.node(Node::List(items))?;
            }
            b'd' => {
                let items = pairs(&self.above_mark()?)?;
                self.node(Node::Dict(items))?;
            }
            b't' => {
                let items = self.above_mark()?;
                self.node(Node::Tuple(items))?;
            }
            FROZENSET => {
                let items = self.above_mark()?;
                self.node(Node::FrozenSet(items))?;
            }
            TUPLE1 | TUPLE2 | TUPLE3 => {
                let mut items = Vec::with_capacity(3);
                for _ in TUPLE1..=opcode {
                    items.push(self.pop()?);
                }
                items.reverse();
                self.node(Node::Tuple(items))?;
            }

            b'a' => {
                let item = self.pop()?;
                let top = self.top()?;
                match &mut self.tree[top] {
                    Node::List(items) => items.push(item),
                    Node::Object { edits, .. } => edits.push(ObjectEdit::Append(item)),
                    _ => return Err(BROKEN),
                }
            }
            b'e' => {
                let more = self.above_mark()?;
                let top = self.top()?;
                match &mut self.tree[top] {
                    Node::List(items) => items.extend(more),
                    Node::Object { edits, .. } => edits.push(ObjectEdit::Extend(more)),
                    _ => return Err(BROKEN),
                }
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set_items(vec![(key, value)])?;
            }
            b'u' => {
                let items = pairs(&self.above_mark()?)?;
                self.set_items(items)?;
            }
            ADDITEMS => {
                let more = self.above_mark()?;
                let top = self.top()?;
                match &mut self.tree[top] {
                    Node::Set(items) => items.extend(more),
                    Node::Object { edits, .. } => edits.push(ObjectEdit::Add(more)),
                    _ => return Err(BROKEN),
                }
            }

            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name)?;
            }
            STACK_GLOBAL => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Node::Text(module), Node::Text(name)) = (&self.tree[module], &self.tree[name])
                else {
                    return Err(BROKEN);
                };
                let (module, name) = (module.clone(), name.clone());
                self.global(module, name)?;
            }
            b'R' => {
                let (args, callable) = (self.pop()?, self.pop()?);
                self.object(Construction::Reduce { callable, args })?;
            }
            NEWOBJ => {
                let (args, class) = (self.pop()?, self.pop()?);
                self.object(Construction::New { class, args })?;
            }
            NEWOBJ_EX => {
                let (kwargs, args, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.object(Construction::NewEx {
                    class,
                    args,
                    kwargs,
                })?;
            }
            b'o' => {
                let mut args = self.above_mark()?;
                if args.is_empty() {
                    return Err(BROKEN);
                }
                let class = args.remove(0);
                self.object(Construction::Instance { class, args })?;
            }
            b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                let args = self.above_mark()?;
                self.global(module, name)?;
                let class = self.pop()?;
                self.object(Construction::Instance { class, args })?;
            }
            b'b' => {
                let state = self.pop()?;
                let top = self.top()?;
                match &mut self.tree[top] {
                    Node::Object { edits, .. } => edits.push(ObjectEdit::Build(state)),
                    _ => return Err(BROKEN),
                }
            }

            b'P' | b'Q' => return Err(Refused("it has persistent ids")),
            EXT1 | EXT2 | EXT4 => return Err(Refused("it has extension codes")),
            NEXT_BUFFER | READONLY_BUFFER => return Err(Refused("it has out-of-band buffers")),
            _ => return Err(BROKEN),
        }
        Ok(())
    }

    fn node(&mut self, node: Node) -> Result<(), Refused> {
        let id = self.tree.add(node)?;
        self.push(id)
    }

    fn object(&mut self, made: Construction) -> Result<(), Refused> {
        self.node(Node::Object {
            made,
            edits: Vec::new(),
        })
    }

    fn global(&mut self, module: Bytes, name: Bytes) -> Result<(), Refused> {
        let (Ok(module_text), Ok(name_text)) = (str::from_utf8(&module), str::from_utf8(&name))
        else {
            return Err(BROKEN);
        };
        if is_dangerous(module_text, name_text) {
            return Err(Refused(
                "it names a module or function that is used in attacks",
            ));
        }
        self.node(Node::Global {
            protocol: self.protocol,
            module,
            name,
        })
    }

    fn set_items(&mut self, more: Vec<(u32, u32)>) -> Result<(), Refused> {
        let top = self.top()?;
        match &mut self.tree[top] {
            Node::Dict(items) => items.extend(more),
            Node::Object { edits, .. } => edits.push(ObjectEdit::SetItems(more)),
            _ => return Err(BROKEN),
        }
        Ok(())
    }

    fn long(&mut self, len: usize) -> Result<(), Refused> {
        let bytes = self.bytes(len)?;
        let fill = match bytes.last() {
            Some(0x80..) => 0xff,
            _ => 0,
        };
        let node = if bytes.len() <= 8 {
            let mut number = [fill; 8];
            number[..len].copy_from_slice(&bytes);
            Node::Int(i64::from_le_bytes(number))
        } else {
            Node::Long(bytes)
        };
        self.node(node)
    }

    fn text(&mut self, len: usize) -> Result<(), Refused> {
        let text = self.bytes(len)?;
        if !is_text(&text) {
            return Err(BROKEN);
        }
        self.node(Node::Text(text))
    }

    /// Adds a string that Python 2 wrote. Refuses a string that is not ASCII, which Python 3 would
    /// not read either, and a string with a backslash, which may start an escape.
    fn python2_text(&mut self, text: Bytes) -> Result<(), Refused> {
        if !text.is_ascii() || text.contains(&b'\\') {
            return Err(Refused(
                "it has a string of Python 2 that is not ASCII or has a backslash",
            ));
        }
        self.node(Node::Text(text))
    }

    fn put(&mut self, index: u64) -> Result<(), Refused> {
        if self.memo.len() == MAX_NODES {
            return Err(TOO_MANY);
        }
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    fn get(&mut self, index: u64) -> Result<(), Refused> {
        let id = *self.memo.get(&index).ok_or(BROKEN)?;
        self.push(id)
    }

    fn push(&mut self, id: u32) -> Result<(), Refused> {
        if self.stack.len() == MAX_NODES {
            return Err(TOO_MANY);
        }
        self.stack.push(id);
        Ok(())
    }

    /// Returns the height of the stack at the last mark, or 0 if there is no mark. Objects below
    /// this height must not be popped.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<u32, Refused> {
        self.stack[self.floor()..].last().copied().ok_or(BROKEN)
    }

    fn pop(&mut self) -> Result<u32, Refused> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// Removes the last mark and the objects above it, and returns these objects.
    fn above_mark(&mut self) -> Result<Vec<u32>, Refused> {
        let mark = self.marks.pop().ok_or(BROKEN)?;
        Ok(self.stack.split_off(mark))
    }

    fn byte(&mut self) -> Result<u8, Refused> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Refused> {
        let array = *self.rest.first_chunk().ok_or(CUT_OFF)?;
        self.rest.advance(N);
        Ok(array)
    }

    fn len32(&mut self) -> Result<usize, Refused> {
        let len = self.array().map(u32::from_le_bytes)?;
        usize::try_from(len).map_err(|_| CUT_OFF)
    }

    fn len64(&mut self) -> Result<usize, Refused> {
        let len = self.array().map(u64::from_le_bytes)?;
        usize::try_from(len).map_err(|_| CUT_OFF)
    }

    fn bytes(&mut self, len: usize) -> Result<Bytes, Refused> {
        if len > self.rest.len() {
            return Err(CUT_OFF);
        }
        Ok(self.rest.split_to(len))
    }

    /// Returns the rest of the line, without the line break.
    fn line(&mut self) -> Result<Bytes, Refused> {
        let len = self.rest.iter().position(|&byte| byte == b'\n');
        let line = self.rest.split_to(len.ok_or(CUT_OFF)?);
        self.rest.advance(1);
        Ok(line)
    }

    fn number_line(&mut self) -> Result<u64, Refused> {
        let line = self.line()?;
        let text = std::str::from_utf8(&line).map_err(|_| BROKEN)?;
        text.parse().map_err(|_| BROKEN)
    }
}

/// Returns whether a function or its module is used in attacks. No session needs such a function.
/// This crate never calls the functions that a pickle names, but another program that reads the
/// pickle later would call them.
fn is_dangerous(module: &str, name: &str) -> bool {
    let package = module.split('.').next().unwrap_or_default();
    let builtin = matches!(package, "builtins" | "__builtin__");
    DANGEROUS_MODULES.contains(&package) || builtin && DANGEROUS_BUILTINS.contains(&name)
}

fn pairs(items: &[u32]) -> Result<Vec<(u32, u32)>, Refused> {
    let (pairs, []) = items.as_chunks() else {
        return Err(BROKEN);
    };
    Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
}

/// Parses an integer from its decimal digits.
fn integer(text: &[u8]) -> Result<Node, Refused> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let canonical = matches!(digits, [b'0'] | [b'1'..=b'9', ..]);
    if !canonical || digits.len() > MAX_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return Err(BROKEN);
    }
    let text = std::str::from_utf8(text).expect("checked above");
    Ok(match text.parse() {
        Ok(number) => Node::Int(number),
        Err(_) => Node::Digits(text.to_owned()),
    })
}

/// Returns whether the text is UTF-8 in which halves of surrogate pairs are encoded like other
/// characters. Standard UTF-8 forbids such halves, but Python pickles strings with them, by using
/// the error handler `surrogatepass`.
fn is_text(text: &[u8]) -> bool {
    let mut rest = text;
    while let Err(error) = std::str::from_utf8(rest) {
        match rest[error.valid_up_to()..] {
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..] => rest = &rest[error.valid_up_to() + 3..],
            _ => return false,
        }
    }
    true
}

/// Decodes a string of protocol 0: Latin-1 with the escapes `\uXXXX` and `\UXXXXXXXX`. A backslash
/// before any character other than `u` and `U` starts no escape: the backslash and this character
/// are both kept, and decoding continues after them. Two backslashes are therefore a pair, and a
/// `u` after them is an ordinary letter.
fn raw_unicode_escape(line: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut text = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some((&byte, after)) = rest.split_first() {
        let digits = match rest {
            [b'\\', b'u', ..] => 4,
            [b'\\', b'U', ..] => 8,
            [b'\\', next, ..] => {
                text.push(b'\\');
                push(&mut text, u32::from(*next));
                rest = &rest[2..];
                continue;
            }
            _ => {
                push(&mut text, u32::from(byte));
                rest = after;
                continue;
            }
        };
        let hex = rest.get(2..2 + digits).ok_or(BROKEN)?;
        let code = hex.iter().try_fold(0_u32, |code, &digit| {
            let digit = char::from(digit).to_digit(16).ok_or(BROKEN)?;
            Ok(code << 4 | digit)
        })?;
        if code > 0x10_ffff {
            return Err(BROKEN);
        }
        push(&mut text, code);
        rest = &rest[2 + digits..];
    }
    Ok(text)
}

const DANGEROUS_MODULES: &[&str] = &[
    "_pickle",
    "ctypes",
    "importlib",
    "marshal",
    "nt",
    "os",
    "pickle",
    "posix",
    "pty",
    "runpy",
    "shutil",
    "socket",
    "subprocess",
    "sys",
];
const DANGEROUS_BUILTINS: &[&str] = &[
    "__import__",
    "breakpoint",
    "compile",
    "eval",
    "exec",
    "execfile",
    "input",
    "open",
];

const MAX_PROTOCOL: u8 = 5;

const EXT1: u8 = 0x82;
const EXT2: u8 = 0x83;
const EXT4: u8 = 0x84;
const MEMOIZE: u8 = 0x94;
const FRAME: u8 = 0x95;
const NEXT_BUFFER: u8 = 0x97;
const READONLY_BUFFER: u8 = 0x98;

const BROKEN: Refused = Refused("it is not a pickle");
const CUT_OFF: Refused = Refused("it is cut off");
const TOO_MANY: Refused = Refused("it has too many objects");
