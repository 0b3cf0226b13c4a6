//! Colour tables of 256 entries, drawn through a few known colours of each map.
//!
//! Names and look are those of matplotlib; between the known colours the tables are linear, so that single entries
//! differ from matplotlib's by a few levels.

pub(super) const NAMES: [&str; 4] = ["grey", "viridis", "magma", "RdYlGn"];

/// The table of that name; `None` for grey, which needs none.
pub(super) fn table(name: &str) -> Option<[[u8; 3]; 256]> {
    let colors: &[u32] = match name {
        "viridis" => &[
            0x44_01_54, 0x48_28_78, 0x3e_49_89, 0x31_68_8e, 0x26_82_8e, 0x1f_9e_89, 0x35_b7_79,
            0x6e_ce_58, 0xb5_de_2b, 0xfd_e7_25,
        ],
        "magma" => &[
            0x00_00_04, 0x18_0f_3d, 0x44_0f_76, 0x72_1f_81, 0x9e_2f_7f, 0xcd_40_71, 0xf1_60_5d,
            0xfd_96_68, 0xfe_ca_8d, 0xfc_fd_bf,
        ],
        "RdYlGn" => &[
            0xa5_00_26, 0xd7_30_27, 0xf4_6d_43, 0xfd_ae_61, 0xfe_e0_8b, 0xff_ff_bf, 0xd9_ef_8b,
            0xa6_d9_6a, 0x66_bd_63, 0x1a_98_50, 0x00_68_37,
        ],
        _ => return None,
    };
    let mut table = [[0; 3]; 256];
    for (i, entry) in table.iter_mut().enumerate() {
        let at = i as f64 / 255.0 * (colors.len() - 1) as f64;
        let left = (at as usize).min(colors.len() - 2);
        let share = at - left as f64;
        for (channel, level) in entry.iter_mut().enumerate() {
            let of = |color: u32| f64::from(color >> (16 - 8 * channel) & 0xff);
            *level =
                (of(colors[left]) * (1.0 - share) + of(colors[left + 1]) * share).round() as u8;
        }
    }
    Some(table)
}
