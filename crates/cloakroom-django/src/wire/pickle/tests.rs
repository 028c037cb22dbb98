use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[test]
fn an_item_without_a_json_form_survives_edits_of_other_items() {
    // {'a': 1, 'when': datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)}, protocol 4.
    let data = Bytes::from_static(
        b"\x80\x04\x95h\0\0\0\0\0\0\0}\x94(\x8c\x01a\x94K\x01\x8c\x04when\x94\
          \x8c\x08datetime\x94\x8c\x08datetime\x94\x93\x94\
          C\n\x07\xea\x01\x02\x03\x04\x05\0\0\0\x94h\x03\x8c\x08timezone\x94\x93\x94\
          h\x03\x8c\ttimedelta\x94\x93\x94K\0K\0K\0\x87\x94R\x94\x85\x94R\x94\x86\x94R\x94u.",
    );
    let mut items = read(&data).unwrap();
    assert_eq!(items.get("a").unwrap().get::<u8>().unwrap(), 1);
    let when = items.get("when").unwrap().clone();
    let error = when.get::<String>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadValue);
    assert!(
        error.to_string().contains("another program stored it"),
        "{error}"
    );
    assert!(format!("{when:?}").starts_with("Value(foreign, "));

    items.set("a".into(), Value::of(&2).unwrap());
    let items = read(&write(&items).unwrap()).unwrap();

    assert_eq!(items.get("a").unwrap().get::<u8>().unwrap(), 2);
    assert!(*items.get("when").unwrap() == when);
    assert_eq!(
        &when.as_foreign().unwrap()[..],
        b"\x80\x04\x8c\x08datetime\x8c\x08datetime\x93C\n\x07\xea\x01\x02\x03\x04\x05\0\0\0\
          \x8c\x08datetime\x8c\x08timezone\x93\
          \x8c\x08datetime\x8c\ttimedelta\x93K\0K\0K\0\x87R\x85R\x86R.",
        "the calls are kept, but not executed",
    );
}

#[test]
fn json_values_are_written_as_python_reads_them() {
    let json = concat!(
        r#"{"i":[0,255,256,65535,65536,-1,-2147483649,9223372036854775807,18446744073709551616],"#,
        r#""f":[1.5,-0.0,NaN],"s":"\ud800\ud83d\ude00\u0000","e":[[],{}],"n":[null,true,false],"#,
        r#""d":{"k":{"":1}}}"#,
    );
    let items = json::read(json.as_bytes()).unwrap();

    let data = write(&items).unwrap();

    assert_eq!(json::write(&read(&data).unwrap()).unwrap(), json);
    let pickled = |json: &[u8]| write(&json::read(json).unwrap()).unwrap();
    assert_eq!(pickled(b"{}"), &b"\x80\x04}."[..]);
    assert_eq!(
        pickled(br#"{"a":[1,"b",{}]}"#),
        &b"\x80\x04}(\x8c\x01a](K\x01\x8c\x01b}eu."[..]
    );
    assert_eq!(
        pickled(br#"{"a":[65536,-1,2147483648,1e400]}"#),
        &b"\x80\x04}(\x8c\x01a](J\0\0\x01\0J\xff\xff\xff\xff\
           \x8a\x08\0\0\0\x80\0\0\0\0G\x7f\xf0\0\0\0\0\0\0eu."[..],
    );
}

#[test]
fn a_pickle_that_cannot_be_kept_is_an_error() {
    let deep = [
        &b"}\x8c\x01a"[..],
        &b"("[..],
        &vec![b'('; MAX_DEPTH + 1],
        &vec![b'l'; MAX_DEPTH + 1],
        b"ls.",
    ]
    .concat();
    let long = [&b"}\x8c\x01aN"[..], &vec![b'2'; MAX_NODES], b"."].concat();
    let marks = [vec![b'('; MAX_NODES + 1], vec![b'.']].concat();
    let nodes = [vec![b'N'; MAX_NODES + 1], vec![b'.']].concat();
    let large = vec![b'.'; MAX_BYTES + 1];
    let bad: [(&str, &[u8]); 39] = [
        ("empty", b""),
        ("no end", b"}"),
        ("an end with an empty stack", b"."),
        ("not a dictionary", b"]."),
        (
            "a call at the top level",
            b"cos\nsystem\n(S'echo pwned'\ntR.",
        ),
        (
            "a call at the top level, protocol 4",
            b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04echo\x85R.",
        ),
        (
            "a dangerous function in an item",
            b"}\x8c\x01acos\nsystem\n(S'echo pwned'\ntRs.",
        ),
        (
            "a dangerous function in an item, protocol 4",
            b"\x80\x04}\x8c\x01a\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85Rs.",
        ),
        (
            "a dangerous function in a package",
            b"}\x8c\x01a(iimportlib.util\nfind_spec\ns.",
        ),
        ("a cut off text", b"}\x8c\x05abN s."),
        ("a cut off line", b"(dVa"),
        ("a cut off frame", b"\x80\x04\x95\xff\0\0\0\0\0\0\0}."),
        (
            "a length beyond the end",
            b"}\x8d\xff\xff\xff\xff\xff\xff\xff\xffa",
        ),
        ("a negative length", b"}(\x8c\x01a\x8b\xff\xff\xff\xffu."),
        ("an unknown opcode", b"}\xff."),
        ("protocol 6", b"\x80\x06}."),
        ("a persistent id", b"}\x8c\x01aPx\ns."),
        ("a persistent id from the stack", b"}\x8c\x01aNQs."),
        ("an extension code", b"}\x8c\x01a\x82\x01s."),
        ("an out-of-band buffer", b"}\x8c\x01a\x97s."),
        ("an unset index of the memo", b"}\x8c\x01ah\x05s."),
        ("no mark", b"}u."),
        ("an odd number of items", b"}(\x8c\x01au."),
        ("a key and a value for a list", b"]\x8c\x01aNs."),
        ("an element for a dictionary", b"}Na."),
        ("no key above the mark", b"}\x8c\x01a(Ns."),
        ("a list as a key", b"}]Ns."),
        ("state for a list", b"}\x8c\x01a]Nbs."),
        ("a list that contains itself", b"}\x8c\x01a]\x94h\0as."),
        ("a dictionary that contains itself", b"}\x94\x8c\x01ah\0s."),
        (
            "an object that contains itself",
            b"}\x8c\x01ac__main__\nX\n)\x81\x94h\0bs.",
        ),
        ("text that is not UTF-8", b"}\x8c\x01\xffNs."),
        ("a code point beyond Unicode", b"}(V\\U00110000\nNu."),
        ("text of Python 2", b"}(U\x01\xe9Nu."),
        ("too deeply nested", &deep),
        ("too high a stack", &long),
        ("too many marks", &marks),
        ("too many objects", &nodes),
        ("too large", &large),
    ];
    for (what, data) in bad {
        let error = read(&Bytes::copy_from_slice(data)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{what}");
    }
}

#[test]
fn shared_objects_are_written_out_within_a_limit() {
    // {'a': [[…[1, 1]…], …]}: the list of each level contains the list of the level below it twice.
    let bomb = |levels: u8, innermost: &[u8]| {
        let mut data = Vec::from(&b"}\x8c\x01a"[..]);
        data.extend_from_slice(innermost);
        for level in 0..levels {
            data.extend_from_slice(&[
                b'q', level, b'0', b']', b'(', b'h', level, b'h', level, b'e',
            ]);
        }
        data.extend_from_slice(b"s.");
        Bytes::from(data)
    };

    let small = read(&bomb(3, b"K\x01")).unwrap();
    assert_eq!(
        small.get("a").unwrap().as_json().unwrap(),
        "[[[1,1],[1,1]],[[1,1],[1,1]]]"
    );
    let refused = read(&bomb(60, b"K\x01")).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    // A foreign value keeps its shared objects, so it does not grow.
    let foreign = read(&bomb(60, b")")).unwrap();
    let data = write(&foreign).unwrap();
    assert!(data.len() < 1_500, "{} bytes", data.len());
    assert!(read(&data).is_ok());
}

#[test]
fn a_key_that_is_not_a_string_is_written_back() {
    let data = Bytes::from_static(b"\x80\x04}(K\x01\x8c\x01aK\x02K\x03\x86Nu.");
    let items = read(&data).unwrap();

    let names: Vec<_> = items.iter().map(|(name, _)| &name[..]).collect();
    assert_eq!(
        names,
        ["\u{fdd0}pickle:gARLAS4", "\u{fdd0}pickle:gARLAksDhi4"]
    );
    assert_eq!(write(&items).unwrap(), data);
    assert_eq!(json::write(&items).unwrap_err().kind(), ErrorKind::BadValue);
}

#[test]
fn classes_are_looked_up_by_the_protocol_of_the_pickle() {
    // Python 3 maps `copy_reg` to `copyreg` in a pickle of protocol 2, but not in one of protocol
    // 4.
    let data = Bytes::from_static(b"\x80\x02}U\x01accopy_reg\n_reconstructor\ns.");
    let items = read(&data).unwrap();

    assert_eq!(
        write(&items).unwrap(),
        &b"\x80\x04}(\x8c\x01a\x80\x02\x8c\x08copy_reg\x8c\x0e_reconstructor\x93\x80\x04u."[..]
    );
}

#[test]
fn a_repeated_name_keeps_its_first_position_and_its_last_value() {
    let items = read(&Bytes::from_static(
        b"}(\x8c\x01aK\x01\x8c\x01bK\x02\x8c\x01aK\x03u.",
    ))
    .unwrap();
    assert_eq!(json::write(&items).unwrap(), r#"{"a":3,"b":2}"#);
}

#[test]
fn two_separate_halves_of_a_surrogate_pair_are_not_joined() {
    let data = Bytes::from_static(b"\x80\x04}(\x8c\x01a\x8c\x06\xed\xa0\xbd\xed\xb8\x80u.");
    let items = read(&data).unwrap();

    assert!(items.get("a").unwrap().as_foreign().is_some());
    assert_eq!(write(&items).unwrap(), data);
}

#[test]
fn a_foreign_value_that_is_not_a_pickle_is_refused() {
    let mut items = Items::new();
    items.set("a".into(), Value::foreign(Bytes::from_static(b"junk")));

    assert_eq!(write(&items).unwrap_err().kind(), ErrorKind::BadValue);
}

proptest! {
    #[test]
    fn reading_never_panics(data in vec(any::<u8>(), 0..200)) {
        let _ = read(&data.into());
    }

    #[test]
    fn a_pickle_that_was_read_is_written_the_same_every_time(ops in vec(opcode(), 0..40)) {
        let data = [&b"}(\x8c\x01a"[..], &ops.concat(), b"u."].concat();
        if let Ok(items) = read(&data.into()) {
            let written = write(&items).unwrap();
            prop_assert_eq!(write(&read(&written).unwrap()).unwrap(), written);
        }
    }
}

/// Generates one instruction. A random sequence of these instructions is often a valid pickle.
fn opcode() -> impl Strategy<Value = Vec<u8>> {
    let fixed: Vec<&[u8]> = vec![
        b"N",
        b"K\x01",
        b"\x88",
        b"]",
        b"}",
        b")",
        b"\x8f",
        b"(",
        b"l",
        b"d",
        b"t",
        b"\x91",
        b"\x85",
        b"\x86",
        b"\x87",
        b"a",
        b"e",
        b"s",
        b"u",
        b"\x90",
        b"0",
        b"1",
        b"2",
        b"\x94",
        b"h\0",
        b"h\x01",
        b"q\x01",
        b"h\x02",
        b"R",
        b"\x81",
        b"\x92",
        b"b",
        b"o",
        b"cm\nn\n",
        b"im\nn\n",
        b"\x93",
        b"\x8c\x01x",
        b"C\x01\0",
        b"I01\n",
        b"L12L\n",
        b"F1.5\n",
        b"Vx\\u00e9\n",
        b"\x8a\x09\0\0\0\0\0\0\0\0\x01",
        b"\x80\x02",
        b"\x96\x01\0\0\0\0\0\0\0x",
    ];
    proptest::sample::select(fixed).prop_map(<[u8]>::to_vec)
}
