# Completion for fish: commands, options, files, and the names of services that a running daemon knows.

function __ondemandd_names
    ondemandd status --json 2>/dev/null | grep -o '"name":"[^"]*"' | cut -d '"' -f 4
end

function __ondemandd_commands
    ondemandd commands --json 2>/dev/null | grep -o '"name":"[^"]*"' | cut -d '"' -f 4
end

set -l named start stop restart pin unpin enable disable logs
complete -c ondemandd -f
complete -c ondemandd -n __fish_use_subcommand -a check -d 'read and check a configuration'
complete -c ondemandd -n __fish_use_subcommand -a explain -d 'explain what happens at a request, when idle and after a crash'
complete -c ondemandd -n __fish_use_subcommand -a config -d 'print the JSON Schema, or each setting and its source'
complete -c ondemandd -n __fish_use_subcommand -a init -d 'write a first configuration'
complete -c ondemandd -n __fish_use_subcommand -a demo -d 'run a self-contained demo'
complete -c ondemandd -n __fish_use_subcommand -a status -d 'show every service of a running daemon'
complete -c ondemandd -n __fish_use_subcommand -a start -d 'start a service'
complete -c ondemandd -n __fish_use_subcommand -a stop -d 'stop a service'
complete -c ondemandd -n __fish_use_subcommand -a restart -d 'restart a service; new requests are queued'
complete -c ondemandd -n __fish_use_subcommand -a pin -d 'keep a service awake'
complete -c ondemandd -n __fish_use_subcommand -a unpin -d 'let a service become idle again'
complete -c ondemandd -n __fish_use_subcommand -a enable -d 'switch a service on'
complete -c ondemandd -n __fish_use_subcommand -a disable -d 'switch a service off'
complete -c ondemandd -n __fish_use_subcommand -a logs -d 'print the output of a service'
complete -c ondemandd -n __fish_use_subcommand -a broadcast -d 'send a message to the subscribers of a stream'
complete -c ondemandd -n __fish_use_subcommand -a commands -d 'show the configured commands and their runs'
complete -c ondemandd -n __fish_use_subcommand -a run -d 'start a run of a command and print its output'
complete -c ondemandd -n __fish_use_subcommand -a reload -d 'read the configuration again'
complete -c ondemandd -n "__fish_seen_subcommand_from $named" -a '(__ondemandd_names)'
complete -c ondemandd -n '__fish_seen_subcommand_from run' -a '(__ondemandd_commands)'
complete -c ondemandd -n '__fish_seen_subcommand_from run' -l stop -x -d 'stop the run with this ID'
complete -c ondemandd -n '__fish_seen_subcommand_from config' -a 'schema show'
complete -c ondemandd -n '__fish_seen_subcommand_from init' -a 'rails-actioncable generic cable'
complete -c ondemandd -n '__fish_seen_subcommand_from demo' -l listen -x -d 'the address for clients'
complete -c ondemandd -n '__fish_seen_subcommand_from demo' -l status -x -d 'the address of the status page'
complete -c ondemandd -n '__fish_seen_subcommand_from start stop restart pin disable' -l no-wait -d 'return immediately'
complete -c ondemandd -n '__fish_seen_subcommand_from status show commands' -l json -d 'as JSON'
complete -c ondemandd -n '__fish_seen_subcommand_from logs' -s f -d 'follow'
complete -c ondemandd -n '__fish_seen_subcommand_from logs' -s n -x -d 'number of lines'
complete -c ondemandd -l config -r -F -d 'the configuration'
complete -c ondemandd -l control -x -d 'the control socket'
complete -c ondemandd -l help -d 'a summary'
complete -c ondemandd -l version -d 'the version'
