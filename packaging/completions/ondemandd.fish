# Completion for fish: commands, options, files, and the names of services that a running daemon knows.

function __ondemandd_names
    ondemandd status --json 2>/dev/null | grep -o '"name":"[^"]*"' | cut -d '"' -f 4
end

set -l named start stop restart pin unpin enable disable logs
complete -c ondemandd -f
complete -c ondemandd -n __fish_use_subcommand -a check -d 'read and check a configuration'
complete -c ondemandd -n __fish_use_subcommand -a explain -d 'say in words what will happen'
complete -c ondemandd -n __fish_use_subcommand -a config -d 'write the JSON Schema of the configuration, or tell every value'
complete -c ondemandd -n __fish_use_subcommand -a init -d 'write a configuration to begin with'
complete -c ondemandd -n __fish_use_subcommand -a demo -d 'see a backend wake and fall asleep'
complete -c ondemandd -n __fish_use_subcommand -a status -d 'show every service of a running daemon'
complete -c ondemandd -n __fish_use_subcommand -a start -d 'start a service now'
complete -c ondemandd -n __fish_use_subcommand -a stop -d 'stop a service now'
complete -c ondemandd -n __fish_use_subcommand -a restart -d 'stop and start a service'
complete -c ondemandd -n __fish_use_subcommand -a pin -d 'keep a service awake'
complete -c ondemandd -n __fish_use_subcommand -a unpin -d 'let a service fall asleep again'
complete -c ondemandd -n __fish_use_subcommand -a enable -d 'switch a service on'
complete -c ondemandd -n __fish_use_subcommand -a disable -d 'switch a service off'
complete -c ondemandd -n __fish_use_subcommand -a logs -d 'show what a service printed'
complete -c ondemandd -n __fish_use_subcommand -a reload -d 'read the configuration again'
complete -c ondemandd -n "__fish_seen_subcommand_from $named" -a '(__ondemandd_names)'
complete -c ondemandd -n '__fish_seen_subcommand_from config' -a 'schema show'
complete -c ondemandd -n '__fish_seen_subcommand_from init' -a 'rails-actioncable generic'
complete -c ondemandd -n '__fish_seen_subcommand_from demo' -l listen -x -d 'where clients connect'
complete -c ondemandd -n '__fish_seen_subcommand_from demo' -l status -x -d 'where the page is'
complete -c ondemandd -n '__fish_seen_subcommand_from start stop restart pin disable' -l no-wait -d 'do not wait for the outcome'
complete -c ondemandd -n '__fish_seen_subcommand_from status show' -l json -d 'for machines'
complete -c ondemandd -n '__fish_seen_subcommand_from logs' -s f -d 'follow'
complete -c ondemandd -n '__fish_seen_subcommand_from logs' -s n -x -d 'how many lines'
complete -c ondemandd -l config -r -F -d 'the configuration'
complete -c ondemandd -l control -x -d 'the control socket'
complete -c ondemandd -l help -d 'a summary'
complete -c ondemandd -l version -d 'the version'
