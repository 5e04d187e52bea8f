# SPDX-License-Identifier: GPL-2.0
# Reads a disassembly with relocations of leave.o, of binutils or LLVM. Fails unless its functions end by
# jumping to complete() and fput(), and in no other way: the module may be unloaded before those return.

/^[0-9a-f]+ <.*>:$/ { name = $2 }

# An instruction: address, bytes, name and operands. binutils has a tabulator before the bytes, LLVM none.
/^ +[0-9a-f]+:[ \t]/ {
	split($0, field, "\t")
	split(field[1] ~ /: / ? field[2] : field[3], word, " ")
	instruction = word[1]
	# KASAN's constructor and destructor run when the module is loaded and unloaded.
	if (instruction ~ /^(b[a-z]*lr[+-]?|retq?|retab|retaa)$/ && name !~ /^<asan\.module_/)
		wrong(name " returns")
}

# What an instruction refers to.
/^\t+[0-9a-f]+: +R_/ {
	target = $NF
	sub(/[-+]0x[0-9a-f]+$/, "", target)
	if (target == "complete" || target == "fput") {
		jumps[target]++
		if (instruction !~ /^(b|jmpq?)$/)
			wrong(name " calls " target "() by " instruction)
	} else if (target == "__x86_return_thunk") {
		wrong(name " returns")
	}
}

function wrong(what) {
	print "leave.o: " what, "instead of jumping out of the module as its last act" > "/dev/stderr"
	failed = 1
}

END {
	if (!jumps["complete"] || !jumps["fput"])
		wrong("nothing jumps to complete() or fput()")
	exit failed
}
