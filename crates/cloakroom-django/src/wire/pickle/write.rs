use std::collections::HashMap;

use bytes::Bytes;
use cloakroom::{Error, ErrorKind, Result};

use super::super::json::Sink;
use super::tree::{Construction, Node, ObjectEdit, Tree};
use super::{Budget, MAX_EXPANDED, Refused, parse};

/// Returns a pickle that builds the node `id` and nothing else.
pub(super) fn pickle(tree: &Tree, id: u32, budget: &mut Budget) -> Result<Bytes, Refused> {
    let mut writer = Writer::new();
    writer.node(tree, id, budget)?;
    Ok(writer.finish())
}

/// Writes a pickle of protocol 4.
pub(super) struct Writer {
    out: Vec<u8>,
    /// The start of each list, dictionary and set that is not complete.
    open: Vec<usize>,
    /// The number of memoized objects.
    memo: u32,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self {
            out: vec![PROTO, PROTOCOL],
            open: Vec::new(),
            memo: 0,
        }
    }

    pub(super) fn finish(mut self) -> Bytes {
        self.out.push(b'.');
        self.out.into()
    }

    /// Starts the dictionary of a session with this number of items.
    pub(super) fn dict(&mut self, items: usize) {
        self.out.push(b'}');
        if items > 0 {
            self.out.push(b'(');
        }
    }

    /// Ends the dictionary that `dict` started.
    pub(super) fn dict_end(&mut self, items: usize) {
        if items > 0 {
            self.out.push(b'u');
        }
    }

    pub(super) fn string(&mut self, text: &[u8]) {
        self.counted(text, SHORT_BINUNICODE, b'X', BINUNICODE8);
    }

    /// Writes a value that [`read`](super::read) could not turn into JSON.
    pub(super) fn foreign(&mut self, data: &Bytes) -> Result<()> {
        let written = parse(data).and_then(|(tree, top)| {
            tree.check(top)?;
            self.node(&tree, top, &mut Budget(MAX_EXPANDED))
        });
        written.map_err(|Refused(why)| {
            Error::new(
                ErrorKind::BadValue,
                format!(
                    "writing a session for Django's cache: reading a foreign value as a pickle: \
                     {why}"
                ),
            )
        })
    }

    /// Writes the instructions that build a node. A node that is used several times is built once.
    pub(super) fn node(
        &mut self,
        tree: &Tree,
        id: u32,
        budget: &mut Budget,
    ) -> Result<(), Refused> {
        let mut shared = tree.uses(id, budget)?;
        shared.retain(|_, uses| *uses > 1);
        let indexes = shared.into_keys().map(|id| (id, None)).collect();
        Nodes {
            writer: self,
            tree,
            budget,
            indexes,
        }
        .node(id)
    }

    fn int(&mut self, number: i64) {
        match number {
            0..=0xff => self.out.extend_from_slice(&[b'K', number as u8]),
            0x100..=0xffff => {
                self.out.push(b'M');
                self.out.extend_from_slice(&(number as u16).to_le_bytes());
            }
            _ => match i32::try_from(number) {
                Ok(number) => {
                    self.out.push(b'J');
                    self.out.extend_from_slice(&number.to_le_bytes());
                }
                Err(_) => self.long(&number.to_le_bytes()),
            },
        }
    }

    fn long(&mut self, bytes: &[u8]) {
        match u8::try_from(bytes.len()) {
            Ok(len) => self.out.extend_from_slice(&[LONG1, len]),
            Err(_) => {
                self.out.push(LONG4);
                self.len32(bytes.len());
            }
        }
        self.out.extend_from_slice(bytes);
    }

    fn digits(&mut self, digits: &str) {
        self.out.push(b'L');
        self.out.extend_from_slice(digits.as_bytes());
        self.out.extend_from_slice(b"L\n");
    }

    /// Writes an opcode, the length of `bytes` and the bytes. The opcodes `short`, `long` and
    /// `longest` are for lengths that are written in one, four and eight bytes.
    fn counted(&mut self, bytes: &[u8], short: u8, long: u8, longest: u8) {
        if let Ok(len) = u8::try_from(bytes.len()) {
            self.out.extend_from_slice(&[short, len]);
        } else if u32::try_from(bytes.len()).is_ok() {
            self.out.push(long);
            self.len32(bytes.len());
        } else {
            self.out.push(longest);
            self.len64(bytes.len());
        }
        self.out.extend_from_slice(bytes);
    }

    fn len32(&mut self, len: usize) {
        let len = u32::try_from(len).expect("larger pickles are not read");
        self.out.extend_from_slice(&len.to_le_bytes());
    }

    fn len64(&mut self, len: usize) {
        self.out.extend_from_slice(&(len as u64).to_le_bytes());
    }

    /// Starts a list, dictionary or set: writes the opcode for an empty one, and a mark.
    fn begin(&mut self, empty: u8) {
        self.out.extend_from_slice(&[empty, b'(']);
        self.open.push(self.out.len());
    }

    /// Writes the opcode that adds everything above the mark. Removes the mark instead if there is
    /// nothing above it.
    fn end(&mut self, fill: u8) {
        if self.open.pop() == Some(self.out.len()) {
            self.out.pop();
        } else {
            self.out.push(fill);
        }
    }
}

impl Sink for Writer {
    fn null(&mut self) {
        self.out.push(b'N');
    }

    fn bool(&mut self, yes: bool) {
        self.out.push(if yes { NEWTRUE } else { NEWFALSE });
    }

    fn int(&mut self, digits: &str) {
        match digits.parse() {
            Ok(number) => Self::int(self, number),
            Err(_) => self.digits(digits),
        }
    }

    fn float(&mut self, number: f64) {
        self.out.push(b'G');
        self.out.extend_from_slice(&number.to_be_bytes());
    }

    fn text(&mut self, text: &[u8]) {
        self.string(text);
    }

    fn list(&mut self) {
        self.begin(b']');
    }

    fn list_end(&mut self) {
        self.end(b'e');
    }

    fn dict(&mut self) {
        self.begin(b'}');
    }

    fn key(&mut self, text: &[u8]) {
        self.string(text);
    }

    fn dict_end(&mut self) {
        self.end(b'u');
    }
}

/// Writes the nodes of one tree.
struct Nodes<'a> {
    writer: &'a mut Writer,
    tree: &'a Tree,
    budget: &'a mut Budget,
    /// The nodes that are used more than once, each with its index in the memo, or `None` if the
    /// node is not written yet.
    indexes: HashMap<u32, Option<u32>>,
}

impl Nodes<'_> {
    fn node(&mut self, id: u32) -> Result<(), Refused> {
        if let Some(Some(index)) = self.indexes.get(&id) {
            self.writer.out.push(b'j');
            self.writer.out.extend_from_slice(&index.to_le_bytes());
            return Ok(());
        }
        self.budget.spend(size(&self.tree[id]))?;
        match &self.tree[id] {
            Node::None => self.writer.null(),
            Node::Bool(yes) => self.writer.bool(*yes),
            Node::Int(number) => self.writer.int(*number),
            Node::Long(bytes) => self.writer.long(bytes),
            Node::Digits(digits) => self.writer.digits(digits),
            Node::Float(number) => self.writer.float(*number),
            Node::Text(text) => self.writer.string(text),
            Node::Bytes(bytes) => self.writer.counted(bytes, b'C', b'B', BINBYTES8),
            Node::ByteArray(bytes) => {
                self.writer.out.push(BYTEARRAY8);
                self.writer.len64(bytes.len());
                self.writer.out.extend_from_slice(bytes);
            }
            Node::List(items) => {
                self.writer.begin(b']');
                self.nodes(items)?;
                self.writer.end(b'e');
            }
            Node::Tuple(items) => {
                let (mark, end): (&[u8], u8) = match items.len() {
                    0 => (b"", b')'),
                    1 => (b"", TUPLE1),
                    2 => (b"", TUPLE2),
                    3 => (b"", TUPLE3),
                    _ => (b"(", b't'),
                };
                self.writer.out.extend_from_slice(mark);
                self.nodes(items)?;
                self.writer.out.push(end);
            }
            Node::Dict(items) => {
                self.writer.begin(b'}');
                self.pairs(items)?;
                self.writer.end(b'u');
            }
            Node::Set(items) => {
                self.writer.begin(EMPTY_SET);
                self.nodes(items)?;
                self.writer.end(ADDITEMS);
            }
            Node::FrozenSet(items) => {
                self.writer.out.push(b'(');
                self.nodes(items)?;
                self.writer.out.push(FROZENSET);
            }
            Node::Global {
                protocol,
                module,
                name,
            } => {
                // Python looks a name up by the rules of the current protocol: below 3 it maps
                // names of Python 2 to their new names, and below 4 it does not split names at
                // dots. So switch to the original protocol for this name.
                let is_older = *protocol < PROTOCOL;
                if is_older {
                    self.writer.out.extend_from_slice(&[PROTO, *protocol]);
                }
                self.writer.string(module);
                self.writer.string(name);
                self.writer.out.push(STACK_GLOBAL);
                if is_older {
                    self.writer.out.extend_from_slice(&[PROTO, PROTOCOL]);
                }
            }
            Node::Object { made, edits } => {
                self.made(made)?;
                for edit in edits {
                    self.edit(edit)?;
                }
            }
        }
        self.memoize(id);
        Ok(())
    }

    fn made(&mut self, made: &Construction) -> Result<(), Refused> {
        let opcode = match made {
            Construction::Reduce { callable, args } => {
                self.nodes(&[*callable, *args])?;
                b'R'
            }
            Construction::New { class, args } => {
                self.nodes(&[*class, *args])?;
                NEWOBJ
            }
            Construction::NewEx {
                class,
                args,
                kwargs,
            } => {
                self.nodes(&[*class, *args, *kwargs])?;
                NEWOBJ_EX
            }
            Construction::Instance { class, args } => {
                self.writer.out.push(b'(');
                self.node(*class)?;
                self.nodes(args)?;
                b'o'
            }
        };
        self.writer.out.push(opcode);
        Ok(())
    }

    fn edit(&mut self, edit: &ObjectEdit) -> Result<(), Refused> {
        let opcode = match edit {
            ObjectEdit::Append(item) => {
                self.node(*item)?;
                b'a'
            }
            ObjectEdit::Build(state) => {
                self.node(*state)?;
                b'b'
            }
            ObjectEdit::Extend(items) => {
                self.writer.out.push(b'(');
                self.nodes(items)?;
                b'e'
            }
            ObjectEdit::Add(items) => {
                self.writer.out.push(b'(');
                self.nodes(items)?;
                ADDITEMS
            }
            ObjectEdit::SetItems(items) => {
                self.writer.out.push(b'(');
                self.pairs(items)?;
                b'u'
            }
        };
        self.writer.out.push(opcode);
        Ok(())
    }

    fn nodes(&mut self, ids: &[u32]) -> Result<(), Refused> {
        ids.iter().try_for_each(|&id| self.node(id))
    }

    fn pairs(&mut self, pairs: &[(u32, u32)]) -> Result<(), Refused> {
        pairs.iter().try_for_each(|&(key, value)| {
            self.node(key)?;
            self.node(value)
        })
    }

    /// Memoizes the node, if it is used more than once.
    fn memoize(&mut self, id: u32) {
        if let Some(index) = self.indexes.get_mut(&id) {
            *index = Some(self.writer.memo);
            self.writer.out.push(b'r');
            self.writer
                .out
                .extend_from_slice(&self.writer.memo.to_le_bytes());
            self.writer.memo += 1;
        }
    }
}

/// Returns the approximate size of a node in bytes, without its children.
fn size(node: &Node) -> usize {
    match node {
        Node::Long(bytes) | Node::Text(bytes) | Node::Bytes(bytes) | Node::ByteArray(bytes) => {
            bytes.len() + 1
        }
        Node::Digits(digits) => digits.len() + 1,
        Node::Global { module, name, .. } => module.len() + name.len() + 1,
        _ => 1,
    }
}

pub(super) const PROTO: u8 = 0x80;
pub(super) const NEWOBJ: u8 = 0x81;
pub(super) const TUPLE1: u8 = 0x85;
pub(super) const TUPLE2: u8 = 0x86;
pub(super) const TUPLE3: u8 = 0x87;
pub(super) const NEWTRUE: u8 = 0x88;
pub(super) const NEWFALSE: u8 = 0x89;
pub(super) const LONG1: u8 = 0x8a;
pub(super) const LONG4: u8 = 0x8b;
pub(super) const SHORT_BINUNICODE: u8 = 0x8c;
pub(super) const BINUNICODE8: u8 = 0x8d;
pub(super) const BINBYTES8: u8 = 0x8e;
pub(super) const EMPTY_SET: u8 = 0x8f;
pub(super) const ADDITEMS: u8 = 0x90;
pub(super) const FROZENSET: u8 = 0x91;
pub(super) const NEWOBJ_EX: u8 = 0x92;
pub(super) const STACK_GLOBAL: u8 = 0x93;
pub(super) const BYTEARRAY8: u8 = 0x96;

/// The protocol that is written.
const PROTOCOL: u8 = 4;
