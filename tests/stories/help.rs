//! The help of every verb, as a terminal of 80 columns shows it.

use clap::CommandFactory;
use wharf::args::Cli;

#[test]
fn help_of_every_verb_is_as_it_was_read() {
    fn visit(command: &mut clap::Command, name: &str) {
        let help = command.render_long_help().to_string();
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "'{name} --help' is wider than 80 columns: {line}");
        }
        insta::assert_snapshot!(name.replace(' ', "-"), help);
        for verb in command.get_subcommands_mut().filter(|verb| verb.get_name() != "help") {
            let name = format!("{name} {}", verb.get_name());
            visit(verb, &name);
        }
    }
    let mut command = Cli::command().term_width(80);
    command.build();
    visit(&mut command, "wharf");
}

#[test]
fn the_palette_names_verbs_that_the_command_line_has() {
    use wharf::tui::kit::{action::Action, aim::verb};
    let mut command = Cli::command();
    command.build();
    for action in Action::ALL {
        let Some(verb) = verb(*action) else { continue };
        let found = verb.split(' ').try_fold(&command, |of, word| of.find_subcommand(word));
        assert!(found.is_some(), "{}: wharf {verb}", action.name());
    }
}
