//! Entering and leaving the terminal, so that it is restored whatever happens.

use std::io::{Write, stdout};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crossterm::{
    event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture},
    execute,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};

/// tmux and most terminals take about this much.
const CLIPBOARD_LIMIT: usize = 74_000;

/// The terminal in raw mode on its other screen; restored when dropped.
pub struct Guard;

impl Guard {
    /// Enters. The panic hook restores the terminal before anything is printed.
    pub fn enter(mouse: bool) -> std::io::Result<Self> {
        let guard = Self;
        take(mouse)?;
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

/// Takes raw mode and the other screen; safe to do twice.
pub fn take(mouse: bool) -> std::io::Result<()> {
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste)?;
    set_mouse(mouse);
    Ok(())
}

/// Leaves the other screen and raw mode; safe to do twice.
pub fn restore() {
    let _ =
        execute!(stdout(), DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, crossterm::cursor::Show);
    let _ = disable_raw_mode();
}

/// Turns mouse reports on or off.
pub fn set_mouse(on: bool) {
    let _ = if on { execute!(stdout(), EnableMouseCapture) } else { execute!(stdout(), DisableMouseCapture) };
}

/// Puts text on the clipboard with OSC 52, which works over ssh. `false` if it is too long for that.
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

/// The sequence itself: plain, wrapped for tmux (which otherwise keeps it from the terminal outside), or for screen.
pub fn clipboard_sequence(text: &str, tmux: bool, screen: bool) -> Option<String> {
    let encoded = STANDARD.encode(text);
    if encoded.len() > CLIPBOARD_LIMIT {
        return None;
    }
    let plain = format!("\x1b]52;c;{encoded}\x07");
    Some(if tmux {
        // Both: tmux itself takes the first (set-clipboard on), the terminal outside the second (allow-passthrough on).
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
