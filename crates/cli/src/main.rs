//! The `vow` command.

fn main() -> std::process::ExitCode {
    vow_cli::main()
}
