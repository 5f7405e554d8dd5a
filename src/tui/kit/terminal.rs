//! Entering and leaving the terminal, which is restored however the program ends.

use std::{
    io::{Write, stdout},
    sync::atomic::{AtomicBool, Ordering},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crossterm::{
    event::{
        DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste, EnableFocusChange,
        EnableMouseCapture,
    },
    execute,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};

/// Whether only lines are printed: there is no alternate screen then, and the mouse belongs to the terminal. A process has
/// one terminal, which is also restored by threads that know nothing but that it must be.
static PLAIN: AtomicBool = AtomicBool::new(false);

/// Most bytes of base64 text that tmux and most terminals accept for the clipboard.
const CLIPBOARD_LIMIT: usize = 74_000;

/// The terminal in raw mode on its alternate screen; restored when this is dropped.
pub struct Guard;

impl Guard {
    /// Enters raw mode and the alternate screen. A panic restores the terminal before its message is printed.
    /// With `plain`, lines are printed below what is there, and there is no alternate screen.
    pub fn enter(mouse: bool, plain: bool) -> std::io::Result<Self> {
        PLAIN.store(plain, Ordering::Relaxed);
        let guard = Self;
        enter(mouse)?;
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
        Ok(guard)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
    }
}

/// Enters raw mode and the alternate screen; may be called again. `mouse`: whether the terminal reports the mouse.
pub fn enter(mouse: bool) -> std::io::Result<()> {
    enable_raw_mode()?;
    if PLAIN.load(Ordering::Relaxed) {
        return execute!(stdout(), EnableBracketedPaste);
    }
    execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste, EnableFocusChange)?;
    set_mouse(mouse);
    Ok(())
}

/// Leaves the alternate screen and raw mode; may be called again.
pub fn restore() {
    if PLAIN.load(Ordering::Relaxed) {
        let _ = execute!(stdout(), DisableBracketedPaste);
        let _ = disable_raw_mode();
        return;
    }
    let _ = execute!(
        stdout(),
        DisableMouseCapture,
        DisableFocusChange,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        crossterm::cursor::Show
    );
    let _ = disable_raw_mode();
}

/// Turns the terminal's mouse reports on or off.
pub fn set_mouse(on: bool) {
    let on = on && !PLAIN.load(Ordering::Relaxed);
    let _ = if on { execute!(stdout(), EnableMouseCapture) } else { execute!(stdout(), DisableMouseCapture) };
}

/// Copies text to the clipboard with OSC 52, which works over ssh. `false` if the text is too long or cannot be
/// written.
pub fn copy(text: &str) -> bool {
    let sequence = clipboard_sequence(
        text,
        std::env::var_os("TMUX").is_some(),
        std::env::var("TERM").is_ok_and(|term| term.starts_with("screen")) && std::env::var_os("STY").is_some(),
    );
    let Some(sequence) = sequence else { return false };
    let mut out = stdout().lock();
    out.write_all(sequence.as_bytes()).and_then(|()| out.flush()).is_ok()
}

/// The OSC 52 sequence: plain, or wrapped for tmux or screen, which would otherwise not pass it on. `None` if too long.
pub fn clipboard_sequence(text: &str, tmux: bool, screen: bool) -> Option<String> {
    let encoded = STANDARD.encode(text);
    if encoded.len() > CLIPBOARD_LIMIT {
        return None;
    }
    let plain = format!("\x1b]52;c;{encoded}\x07");
    Some(if tmux {
        // Sent twice: tmux takes the first itself (set-clipboard on), the outer terminal the second (allow-passthrough
        // on).
        format!("{plain}\x1bPtmux;{}\x1b\\", plain.replace('\x1b', "\x1b\x1b"))
    } else if screen {
        format!("\x1bP{plain}\x1b\\")
    } else {
        plain
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clipboard_sequence_is_wrapped_for_tmux_and_refused_when_too_long() {
        assert_eq!(clipboard_sequence("hi", false, false).unwrap(), "\x1b]52;c;aGk=\x07");
        assert!(clipboard_sequence("hi", true, false).unwrap().contains("\x1bPtmux;\x1b\x1b]52;c;aGk="));
        assert!(clipboard_sequence(&"x".repeat(80_000), false, false).is_none());
    }
}
