//! Whether something that cannot be undone shall be done.  From: `--yes`, or a person at a terminal.  To: the commands.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::{Result, bail};
use clap::Args;

/// Whether a person is asked.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct ConsentFlags {
    /// Do not ask; needed where there is no terminal
    #[arg(long)]
    yes: bool,
}

/// What a person has to type.
pub(crate) enum Question<'a> {
    /// `y` or `yes`.
    GoOn,
    /// This, so that nobody does it in passing.
    Type(&'a str),
}

impl ConsentFlags {
    /// Is a person asked, who may take a while?
    pub(crate) fn asks(self) -> bool {
        !self.yes
    }

    /// True when it shall be done.  What is about to be done was said before.
    ///
    /// # Errors
    /// Nobody can be asked.
    pub(crate) fn obtained(self, question: &Question<'_>) -> Result<bool> {
        if self.yes {
            return Ok(true);
        }
        if !io::stdin().is_terminal() {
            bail!("without a terminal nobody can be asked: give --yes");
        }
        let _ = match question {
            Question::GoOn => write!(anstream::stderr(), "Go on? [y/N] "),
            Question::Type(word) => write!(anstream::stderr(), "Type {word} to go on: "),
        };
        let _ = io::stderr().flush();
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        let answer = answer.trim();
        let is_obtained = match question {
            Question::GoOn => ["y", "yes"].contains(&answer.to_lowercase().as_str()),
            Question::Type(word) => answer == *word,
        };
        if !is_obtained {
            let _ = writeln!(anstream::stderr(), "nothing was changed");
        }
        Ok(is_obtained)
    }
}
