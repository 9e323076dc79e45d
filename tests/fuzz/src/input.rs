//! How a target uses its bytes beside parsing them: where a stream is cut into reads, and text that stands for a lot of it.

/// At the beginning of an input it asks for long text, and in it stands for [`LONG`] letters: so a small input reaches a limit of
/// a megabyte, and the others stay fast.
const STRETCH: u8 = 1;
/// How many letters.
const LONG: usize = 270_000;
/// At most so many of them in one input.
const STRETCHES: usize = 5;

/// `data`, or what follows a first byte 1 with each further one made long.
pub(crate) fn stretched(data: &[u8]) -> Vec<u8> {
    let Some(data) = data.strip_prefix(&[STRETCH]) else { return data.to_vec() };
    let mut out = Vec::with_capacity(data.len());
    let mut left = STRETCHES;
    for &byte in data {
        if byte == STRETCH && left > 0 {
            left -= 1;
            out.resize(out.len() + LONG, b'a');
        } else {
            out.push(byte);
        }
    }
    out
}

/// `data` as it may come from a pipe: in pieces whose lengths follow from the bytes themselves.
pub(crate) fn pieces(data: &[u8]) -> Vec<&[u8]> {
    // FNV-1a: any small change of the input changes the cuts.
    let mut state = data.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let longest = if data.len() > 10_000 { 300_000 } else { 9 };
    let mut pieces = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let length = usize::try_from(state >> 33).unwrap_or(0) % longest + 1;
        let (piece, after) = rest.split_at_checked(length).unwrap_or((rest, b""));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_whole_and_a_stretch_is_long() {
        let data = stretched(b"\x01x\x01y");
        assert_eq!(data.len(), LONG + 2);
        assert_eq!(stretched(b"x\x01y"), b"x\x01y");
        assert_eq!(pieces(&data).concat(), data);
        assert!(pieces(&data).len() > 1 && pieces(b"abcdefghijklmnopqrstuvwxyz").len() > 2);
    }
}
