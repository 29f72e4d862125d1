import { arg } from '../command/arguments.ts'
import { Command } from '../command/command.ts'

/** `lark completion SHELL`: prints the script with which a shell completes command lines of lark. */
export class CompletionCommand extends Command {
  readonly key = 'completion'
  override description = 'Print a script with which a shell completes lark'
  shell = arg.enum('Which shell', ['bash', 'zsh', 'fish'])

  handle() {
    if (this.json) return { shell: this.shell, script: scripts[this.shell] }
    this.line(scripts[this.shell].trimEnd())
    return true
  }
}

/**
 * Each script runs the `lark` of the project around the current folder if this file belongs to the user. If
 * not, the script runs the `lark` on the PATH, because a key press must not run a file of another user. No
 * script evaluates the output of `lark complete` as code.
 */
const scripts = {
  // Readline begins a new word after `:` and `=`, so a completion must not repeat the text before these
  // characters. The script reads the words from the line, because bash splits COMP_WORDS at these characters,
  // too.
  bash: `# Completion of lark in bash: see lark help completion
_lark_program() {
  local folder=$PWD
  while [[ -n $folder ]]; do
    if [[ -x $folder/node_modules/.bin/lark && -O $folder/node_modules/.bin/lark ]]; then
      printf '%s' "$folder/node_modules/.bin/lark"
      return
    fi
    folder=\${folder%/*}
  done
  type -P lark
}

_lark() {
  local line=\${COMP_LINE:0:COMP_POINT} program word before
  local -a words
  COMPREPLY=()
  program=$(_lark_program) || return
  read -a words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  word=\${words[\${#words[@]} - 1]}
  before=
  [[ $word == *[:=]* && $COMP_WORDBREAKS == *[:=]* ]] && before=\${word%"\${word##*[:=]}"}
  while IFS= read -r line; do
    line=\${line%%$'\\t'*}
    COMPREPLY+=("$(printf '%q' "\${line#"$before"}")")
  done < <("$program" complete -- "\${words[@]:1}" 2>/dev/null)
}

complete -o default -F _lark lark
`,
  zsh: `#compdef lark
# Completion of lark in zsh: see lark help completion
_lark_program() {
  local folder=$PWD
  while [[ -n $folder ]]; do
    if [[ -x $folder/node_modules/.bin/lark && -O $folder/node_modules/.bin/lark ]]; then
      print -rn -- "$folder/node_modules/.bin/lark"
      return
    fi
    folder=\${folder%/*}
  done
  whence -p lark
}

_lark() {
  local program line
  local -a given values shown
  program=$(_lark_program) || return
  given=("\${(@Q)words[2,CURRENT]}")
  for line in "\${(@f)$("$program" complete -- "\${given[@]}" 2>/dev/null)}"; do
    [[ -z $line ]] && continue
    values+=("\${line%%$'\\t'*}")
    shown+=("\${line/$'\\t'/  }")
  done
  if (( $#values )); then compadd -l -d shown -a values; else _files; fi
}

if [[ $funcstack[1] == _lark ]]; then _lark "$@"; else compdef _lark lark; fi
`,
  fish: `# Completion of lark in fish: see lark help completion
function __lark_program
    set -l folder $PWD
    while test -n "$folder"
        if test -x $folder/node_modules/.bin/lark -a -O $folder/node_modules/.bin/lark
            echo $folder/node_modules/.bin/lark
            return
        end
        set folder (string replace -r '/[^/]*$' '' -- $folder)
    end
    command -s lark
end

function __lark_complete
    set -l program (__lark_program); or return
    set -l given (commandline -opc)[2..-1] (commandline -ct)
    set -l found ($program complete -- $given 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end

complete -c lark -f -a '(__lark_complete)'
`,
}
