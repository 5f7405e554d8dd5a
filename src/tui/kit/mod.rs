//! What every screen is made of: the terminal, themes, keys, lists, text fields. It knows no screen.

pub mod action;
pub mod aim;
pub mod fold;
pub mod glyphs;
pub mod input;
pub mod keymap;
pub mod layout;
pub mod list;
pub mod nothing;
pub mod panel;
pub mod plain;
pub mod plot;
pub mod reading;
pub mod spinner;
pub mod table;
pub mod terminal;
pub mod theme;
pub mod widgets;
