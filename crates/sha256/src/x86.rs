//! Hashes two messages at once with the SHA instructions of x86-64 (Intel, *Intel SHA Extensions*, 2013).

#![expect(clippy::many_single_char_names, reason = "the standard calls the eight words of a state so")]

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi32, _mm_set_epi64x,
    _mm_setzero_si128, _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8,
    _mm_shuffle_epi32,
};

use crate::BLOCK;

/// How many messages are hashed at once. Three would need more registers than the processor has.
const LANES: usize = 2;

/// The constants of the 64 rounds (FIPS 180-4, section 4.2.2), four per line.
#[rustfmt::skip]
const ROUNDS: [[u32; 4]; 16] = [
    [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
    [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
    [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
    [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
    [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
    [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
    [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
    [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
    [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
    [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
    [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
    [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
    [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
    [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
    [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
    [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
];

/// Whether the processor has the needed instructions.
pub(crate) fn is_able() -> bool {
    is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1") && is_x86_feature_detected!("ssse3")
}

/// Compresses the blocks of both messages, which have equally many. Does nothing and returns false if the processor
/// lacks an instruction.
pub(crate) fn compress_both(states: [&mut [u32; 8]; LANES], blocks: [&[[u8; BLOCK]]; LANES]) -> bool {
    let able = is_able();
    if able {
        #[expect(unsafe_code, reason = "the features that the function is compiled for were found just now")]
        // SAFETY: the processor has each feature that `compress` enables.
        unsafe {
            compress(states, blocks);
        }
    }
    able
}

#[target_feature(enable = "sha,sse4.1,ssse3")]
fn compress(states: [&mut [u32; 8]; LANES], [first, second]: [&[[u8; BLOCK]]; LANES]) {
    // The instructions expect the words in this order, the last one in the lowest place.
    let mut abef = [_mm_setzero_si128(); LANES];
    let mut cdgh = abef;
    for (lane, state) in states.iter().enumerate() {
        let [a, b, c, d, e, f, g, h] = state.map(u32::cast_signed);
        abef[lane] = _mm_set_epi32(a, b, e, f);
        cdgh[lane] = _mm_set_epi32(c, d, g, h);
    }
    for blocks in first.iter().zip(second) {
        let blocks = [blocks.0, blocks.1];
        let before = (abef, cdgh);
        let mut words = [[_mm_setzero_si128(); 4]; LANES];
        // A macro, because the compiler would not unroll a loop, and the words would go through memory.
        macro_rules! rounds {
            ($($group:literal)*) => {$({
                let [k0, k1, k2, k3] = ROUNDS[$group].map(u32::cast_signed);
                let constants = _mm_set_epi32(k3, k2, k1, k0);
                for lane in 0..LANES {
                    // The message schedule keeps sixteen words: the four words of these rounds replace the oldest four.
                    let next = match $group {
                        0..4 => load(blocks[lane], $group % 4),
                        _ => schedule(words[lane], $group),
                    };
                    words[lane][$group % 4] = next;
                    let sum = _mm_add_epi32(next, constants);
                    cdgh[lane] = _mm_sha256rnds2_epu32(cdgh[lane], abef[lane], sum);
                    let upper = _mm_shuffle_epi32::<0x0e>(sum);
                    abef[lane] = _mm_sha256rnds2_epu32(abef[lane], cdgh[lane], upper);
                }
            })*};
        }
        rounds!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        for lane in 0..LANES {
            abef[lane] = _mm_add_epi32(abef[lane], before.0[lane]);
            cdgh[lane] = _mm_add_epi32(cdgh[lane], before.1[lane]);
        }
    }
    for (lane, state) in states.into_iter().enumerate() {
        let ([f, e, b, a], [h, g, d, c]) = (split(abef[lane]), split(cdgh[lane]));
        *state = [a, b, c, d, e, f, g, h];
    }
}

/// Sixteen bytes of a block as four words, each with its highest byte first.
#[inline]
#[target_feature(enable = "ssse3")]
fn load(block: &[u8; BLOCK], group: usize) -> __m128i {
    let halves = block.as_chunks().0;
    let (low, high) = (i64::from_le_bytes(halves[2 * group]), i64::from_le_bytes(halves[2 * group + 1]));
    let swap = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    _mm_shuffle_epi8(_mm_set_epi64x(high, low), swap)
}

/// The next four words of the message schedule, from the sixteen before them (FIPS 180-4, section 6.2.2, step 1).
#[inline]
#[target_feature(enable = "sha,ssse3")]
fn schedule(words: [__m128i; 4], group: usize) -> __m128i {
    let [oldest, older, newer, newest] = std::array::from_fn(|age| words[(group + age) % 4]);
    let sum = _mm_add_epi32(_mm_sha256msg1_epu32(oldest, older), _mm_alignr_epi8::<4>(newest, newer));
    _mm_sha256msg2_epu32(sum, newest)
}

/// The words of a vector, the lowest first.
#[inline]
#[target_feature(enable = "sse4.1")]
fn split(vector: __m128i) -> [u32; 4] {
    [
        _mm_extract_epi32::<0>(vector),
        _mm_extract_epi32::<1>(vector),
        _mm_extract_epi32::<2>(vector),
        _mm_extract_epi32::<3>(vector),
    ]
    .map(i32::cast_unsigned)
}
