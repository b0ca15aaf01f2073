// SPDX-License-Identifier: BSD-3-Clause
/*
 * k1om-check: finds the code in ELF files, archives, bzImages and raw files and fails on any instruction that
 * KNC does not have. README.md has the usage.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "insn.h"
#include "rules.h"

/* The machine number of K1OM programs (k1om-cpu-and-kernel.md 6.1); glibc's elf.h lacks it. */
#define MACHINE_K1OM 181

struct symbol {
	uint64_t addr;
	unsigned int section; /* relocatable files only, else 0 */
	const char *name;
	bool function;
};

/* A file, or a part of one, with what is known about it. */
struct image {
	const char *name;
	const uint8_t *data;
	size_t size;
	struct symbol *symbols; /* sorted */
	size_t n_symbols;
	unsigned long instructions, refused, excepted, skipped_bytes;
	unsigned long alternatives_on, alternatives_off;
};

/* One stretch of code. */
struct code {
	const char *section;
	const uint8_t *p;
	uint64_t addr;
	size_t size;
	unsigned int index; /* of its section, in relocatable files, else 0 */
	int bits;
};

static struct {
	bool raw;
	int bits;
	uint64_t base;
	unsigned long max;
	const char *symbols, *decompressor;
} opt = { .bits = 0, .max = 40 };

static void die(const char *name, const char *what)
{
	fprintf(stderr, "k1om-check: %s: %s\n", name, what);
	exit(2);
}

static void *grow(void *p, size_t n)
{
	p = realloc(p, n);
	if (!p)
		die("memory", strerror(ENOMEM));
	return p;
}

static bool inside(size_t offset, size_t len, size_t size)
{
	return offset <= size && len <= size - offset;
}

/* Symbols */

static int by_address(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->section != y->section)
		return x->section < y->section ? -1 : 1;
	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	if (x->function != y->function)
		return x->function ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* Index of the first symbol behind addr. */
static size_t symbol_after(const struct image *im, unsigned int section, uint64_t addr)
{
	size_t lo = 0, hi = im->n_symbols;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		const struct symbol *s = &im->symbols[mid];

		if (s->section < section || (s->section == section && s->addr <= addr))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The symbol that addr belongs to, functions first, or NULL. */
static const struct symbol *symbol_at(const struct image *im, const struct code *c, uint64_t addr)
{
	size_t i = symbol_after(im, c->index, addr);

	if (!i || im->symbols[i - 1].section != c->index || im->symbols[i - 1].addr < c->addr)
		return NULL;
	while (i > 1 && im->symbols[i - 2].section == c->index &&
	       im->symbols[i - 2].addr == im->symbols[i - 1].addr)
		i--;
	return &im->symbols[i - 1];
}

static const struct symbol *symbol_named(const struct image *im, const char *name)
{
	for (size_t i = 0; i < im->n_symbols; i++)
		if (!strcmp(im->symbols[i].name, name))
			return &im->symbols[i];
	return NULL;
}

/* Sweeping code */

static struct rule *exception_for(const struct image *im, const struct code *c, uint64_t addr,
				  const char *name)
{
	const struct symbol *s = symbol_at(im, c, addr);
	const struct symbol *end = im->symbols + im->n_symbols;
	struct rule *r;

	if (!s)
		return rules_find(RULE_ALLOW, c->section, name);
	for (uint64_t at = s->addr; s < end && s->section == c->index && s->addr == at; s++) {
		r = rules_find(RULE_ALLOW, s->name, name);
		if (r)
			return r;
	}
	return rules_find(RULE_ALLOW, c->section, name);
}

static void report(struct image *im, const struct code *c, uint64_t addr, const uint8_t *p,
		   const struct insn *in)
{
	const struct symbol *s = symbol_at(im, c, addr);
	struct rule *r = exception_for(im, c, addr, in->name);
	char where[300];

	if (r) {
		r->used++;
		im->excepted++;
		return;
	}
	if (im->refused++ >= opt.max)
		return;
	if (s)
		snprintf(where, sizeof(where), "%s+0x%llx", s->name,
			 (unsigned long long)(addr - s->addr));
	else
		snprintf(where, sizeof(where), "%s", c->section);
	printf("%s: 0x%llx <%s>: %s:", im->name, (unsigned long long)addr, where, in->name);
	for (unsigned int i = 0; i < in->len && inside(p - c->p + i, 1, c->size); i++)
		printf(" %02x", p[i]);
	printf(": %s\n", in->why);
}

/* Ranges given by symbols in the rules, for one stretch of code. */
struct range {
	uint64_t from, to;
	struct rule *rule;
};

static size_t find_ranges(struct image *im, const struct code *c, struct range **out)
{
	struct range *list = NULL;
	size_t n = 0;

	for (struct rule *r = rules; r; r = r->next) {
		const struct symbol *from, *to;
		uint64_t end = c->addr + c->size;

		if ((r->kind != RULE_MODE && r->kind != RULE_DATA) || !rules_applies(r))
			continue;
		from = symbol_named(im, r->from);
		if (!from || from->section != c->index || from->addr < c->addr || from->addr >= end)
			continue;
		if (!strcmp(r->to, "next")) {
			size_t i = symbol_after(im, c->index, from->addr);

			if (i < im->n_symbols && im->symbols[i].section == c->index &&
			    im->symbols[i].addr < end)
				end = im->symbols[i].addr;
		} else {
			to = symbol_named(im, r->to);
			if (!to || to->section != c->index || to->addr < from->addr)
				die(r->to, "symbol named in the rules is not behind the first one");
			if (to->addr < end)
				end = to->addr;
		}
		list = grow(list, (n + 1) * sizeof(*list));
		list[n++] = (struct range){ from->addr, end, r };
		r->used++;
	}
	*out = list;
	return n;
}

/* Decode a stretch from end to end. Functions are where decoding has to meet an instruction's first byte. */
static void sweep(struct image *im, const struct code *c)
{
	struct range *ranges;
	size_t n_ranges = find_ranges(im, c, &ranges), at = 0;
	size_t next = symbol_after(im, c->index, c->addr);

	while (at < c->size) {
		uint64_t addr = c->addr + at;
		size_t room = c->size - at;
		int bits = c->bits;
		struct insn in;
		bool data = false;

		for (size_t i = 0; i < n_ranges; i++) {
			if (addr < ranges[i].from || addr >= ranges[i].to)
				continue;
			if (ranges[i].rule->kind == RULE_DATA) {
				im->skipped_bytes += ranges[i].to - addr;
				at += ranges[i].to - addr;
				data = true;
				break;
			}
			bits = ranges[i].rule->bits;
		}
		if (data)
			continue;
		while (next < im->n_symbols && im->symbols[next].section == c->index &&
		       (im->symbols[next].addr <= addr || !im->symbols[next].function))
			next++;
		if (next < im->n_symbols && im->symbols[next].section == c->index &&
		    im->symbols[next].addr < addr + 16 && im->symbols[next].addr - addr < room)
			room = im->symbols[next].addr - addr;
		insn_decode(c->p + at, room, bits, &in);
		im->instructions++;
		if (in.why)
			report(im, c, addr, c->p + at, &in);
		at += in.len;
	}
	free(ranges);
}

/* ELF */

/* The fields needed, widened to 64 bits for both classes. */
struct section {
	const char *name;
	uint32_t name_at, type, link;
	uint64_t flags, addr, offset, size;
};

struct elf {
	Elf64_Ehdr header;
	bool is64, relocatable;
	struct section *sections;
	size_t n_sections;
};

static const char *string_at(const struct image *im, const struct section *strings, uint64_t offset)
{
	if (!strings || offset >= strings->size ||
	    !memchr(im->data + strings->offset + offset, 0, strings->size - offset))
		die(im->name, "broken ELF file: a name outside its string table");
	return (const char *)im->data + strings->offset + offset;
}

/* Copied out, since nothing says that the tables of a hostile file are aligned. */
static struct section section_header(const struct image *im, const struct elf *e, uint64_t offset)
{
	Elf64_Shdr a;
	Elf32_Shdr b;

	if (e->is64) {
		memcpy(&a, im->data + offset, sizeof(a));
		return (struct section){ .name_at = a.sh_name,
					 .type = a.sh_type,
					 .link = a.sh_link,
					 .flags = a.sh_flags,
					 .addr = a.sh_addr,
					 .offset = a.sh_offset,
					 .size = a.sh_size };
	}
	memcpy(&b, im->data + offset, sizeof(b));
	return (struct section){ .name_at = b.sh_name,
				 .type = b.sh_type,
				 .link = b.sh_link,
				 .flags = b.sh_flags,
				 .addr = b.sh_addr,
				 .offset = b.sh_offset,
				 .size = b.sh_size };
}

/* The file header, widened; its caller has made sure that 64 bytes are there. */
static void read_header(const struct image *im, struct elf *e)
{
	Elf32_Ehdr b;

	e->is64 = im->data[EI_CLASS] == ELFCLASS64;
	if (im->data[EI_DATA] != ELFDATA2LSB)
		die(im->name, "big-endian ELF file");
	memcpy(&e->header, im->data, sizeof(e->header));
	if (!e->is64) {
		memcpy(&b, im->data, sizeof(b));
		e->header.e_shoff = b.e_shoff;
		e->header.e_shnum = b.e_shnum;
		e->header.e_shstrndx = b.e_shstrndx;
		e->header.e_phoff = b.e_phoff;
		e->header.e_phnum = b.e_phnum;
	}
	e->relocatable = e->header.e_type == ET_REL;
}

static void read_sections(const struct image *im, struct elf *e)
{
	uint64_t off, entsize, names;

	read_header(im, e);
	off = e->header.e_shoff;
	entsize = e->is64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
	e->n_sections = e->header.e_shnum;
	names = e->header.e_shstrndx;
	/* Very many sections (-ffunction-sections): the counts stand in section 0. */
	if (off && inside(off, entsize, im->size)) {
		struct section zero = section_header(im, e, off);

		if (!e->n_sections)
			e->n_sections = zero.size;
		if (names == SHN_XINDEX)
			names = zero.link;
	}
	if (e->n_sections > im->size / entsize || !inside(off, e->n_sections * entsize, im->size))
		die(im->name, "broken ELF file: section table outside the file");
	e->sections = calloc(e->n_sections + 1, sizeof(*e->sections));
	if (!e->sections)
		die(im->name, strerror(ENOMEM));
	for (size_t i = 0; i < e->n_sections; i++) {
		struct section *s = &e->sections[i];

		*s = section_header(im, e, off + i * entsize);
		if (s->type == SHT_NOBITS || s->type == SHT_NULL)
			s->size = 0;
		else if (!inside(s->offset, s->size, im->size))
			die(im->name, "broken ELF file: section outside the file");
	}
	for (size_t i = 0; i < e->n_sections; i++)
		e->sections[i].name = string_at(im,
						names < e->n_sections ? &e->sections[names] : NULL,
						e->sections[i].name_at);
}

/* Labels that only the compiler or assembler made do not start a function. */
static bool is_named_place(const char *name, int type)
{
	if (type != STT_FUNC && type != STT_NOTYPE && type != STT_GNU_IFUNC)
		return false;
	return *name && strncmp(name, ".L", 2) && *name != '$';
}

static void read_symbols(const struct image *im, const struct elf *e, struct image *into)
{
	for (size_t i = 0; i < e->n_sections; i++) {
		const struct section *s = &e->sections[i];
		size_t entsize = e->is64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);

		if (s->type != SHT_SYMTAB || s->link >= e->n_sections)
			continue;
		for (size_t k = 1; k < s->size / entsize; k++) {
			Elf64_Sym a;
			Elf32_Sym b;
			const char *name;

			if (e->is64) {
				memcpy(&a, im->data + s->offset + k * entsize, sizeof(a));
			} else {
				memcpy(&b, im->data + s->offset + k * entsize, sizeof(b));
				a = (Elf64_Sym){ .st_name = b.st_name,
						 .st_info = b.st_info,
						 .st_shndx = b.st_shndx,
						 .st_value = b.st_value };
			}
			name = string_at(im, &e->sections[s->link], a.st_name);
			if (!is_named_place(name, ELF64_ST_TYPE(a.st_info)) ||
			    a.st_shndx == SHN_UNDEF || a.st_shndx == SHN_ABS)
				continue;
			into->symbols =
				grow(into->symbols, (into->n_symbols + 1) * sizeof(*into->symbols));
			into->symbols[into->n_symbols++] =
				(struct symbol){ .addr = a.st_value,
						 .section = e->relocatable ? a.st_shndx : 0,
						 .name = name,
						 .function = ELF64_ST_TYPE(a.st_info) !=
							     STT_NOTYPE };
		}
	}
	if (into->n_symbols)
		qsort(into->symbols, into->n_symbols, sizeof(*into->symbols), by_address);
}

static const struct section *section_holding(const struct elf *e, uint64_t addr, uint64_t len)
{
	for (size_t i = 0; i < e->n_sections; i++) {
		const struct section *s = &e->sections[i];

		if ((s->flags & SHF_ALLOC) && s->size && addr >= s->addr &&
		    inside(addr - s->addr, len, s->size))
			return s;
	}
	return NULL;
}

/*
 * Linux's run-time alternatives (6.1: struct alt_instr): a replacement is code only if this kernel, on the card,
 * puts it in place. The others are left aside and counted.
 */
static void check_alternatives(struct image *im, const struct elf *e, const struct section *table,
			       int bits)
{
	struct alt {
		int32_t instr, replacement;
		uint16_t feature;
		uint8_t len, replacement_len;
	} __attribute__((packed)) a;

	if (table->size % sizeof(a))
		die(im->name, ".altinstructions is not laid out as in Linux 6.1");
	for (uint64_t at = 0; at < table->size; at += sizeof(a)) {
		uint64_t field = table->addr + at + 4, addr;
		const struct section *s;
		bool inverted;
		struct code c;

		memcpy(&a, im->data + table->offset + at, sizeof(a));
		inverted = a.feature & 0x8000;
		if (rules_feature(a.feature & 0x7fff) == inverted) {
			im->alternatives_off++;
			continue;
		}
		im->alternatives_on++;
		addr = field + a.replacement;
		s = section_holding(e, addr, a.replacement_len);
		if (!a.replacement_len)
			continue;
		if (!s)
			die(im->name, ".altinstructions points outside the file");
		c = (struct code){ .section = "(alternative)",
				   .p = im->data + s->offset + (addr - s->addr),
				   .addr = addr,
				   .size = a.replacement_len,
				   .bits = bits };
		sweep(im, &c);
	}
}

static int elf_bits(const struct image *im, const struct elf *e)
{
	if (opt.bits)
		return opt.bits;
	switch (e->header.e_machine) {
	case EM_X86_64:
	case MACHINE_K1OM:
		return 64;
	case EM_386:
		return 32;
	default:
		die(im->name, "not for x86");
		return 0;
	}
}

static void sweep_segments(struct image *im, const struct elf *e, int bits)
{
	size_t n = e->header.e_phnum, entsize = e->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);

	if (!inside(e->header.e_phoff, n * entsize, im->size))
		die(im->name, "broken ELF file: program headers outside the file");
	for (size_t i = 0; i < n; i++) {
		const uint8_t *at = im->data + e->header.e_phoff + i * entsize;
		struct code c = { .section = "(segment)", .bits = bits };
		Elf64_Phdr a;
		Elf32_Phdr b;

		if (e->is64) {
			memcpy(&a, at, sizeof(a));
		} else {
			memcpy(&b, at, sizeof(b));
			a = (Elf64_Phdr){ .p_type = b.p_type,
					  .p_flags = b.p_flags,
					  .p_offset = b.p_offset,
					  .p_vaddr = b.p_vaddr,
					  .p_filesz = b.p_filesz };
		}
		if (a.p_type != PT_LOAD || !(a.p_flags & PF_X))
			continue;
		if (!inside(a.p_offset, a.p_filesz, im->size))
			die(im->name, "broken ELF file: segment outside the file");
		c.p = im->data + a.p_offset;
		c.addr = a.p_vaddr;
		c.size = a.p_filesz;
		sweep(im, &c);
	}
}

static struct image load(const char *path);

static void check_elf(struct image *im)
{
	const struct section *alternatives = NULL;
	struct elf e;
	int bits;

	rules_use_for(im->name);
	read_sections(im, &e);
	bits = elf_bits(im, &e);
	read_symbols(im, &e, im);
	if (!im->n_symbols && opt.symbols) {
		struct image other = load(opt.symbols);
		struct elf oe;

		read_sections(&other, &oe);
		read_symbols(&other, &oe, im);
		free(oe.sections);
	}
	for (size_t i = 0; i < e.n_sections; i++)
		if (!strcmp(e.sections[i].name, ".altinstructions") && e.sections[i].size &&
		    !e.relocatable)
			alternatives = &e.sections[i];
	for (size_t i = 0; i < e.n_sections; i++) {
		const struct section *s = &e.sections[i];
		struct rule *r;
		struct code c = { .section = s->name,
				  .p = im->data + s->offset,
				  .addr = s->addr,
				  .size = s->size,
				  .index = e.relocatable ? i : 0,
				  .bits = bits };

		if (!(s->flags & SHF_EXECINSTR) || !s->size || s->type == SHT_NOBITS)
			continue;
		if (!strcmp(s->name, ".altinstr_replacement") && (alternatives || e.relocatable)) {
			im->skipped_bytes += alternatives ? 0 : s->size;
			continue;
		}
		r = rules_find(RULE_SKIP_SECTION, s->name, NULL);
		if (r) {
			r->used++;
			im->skipped_bytes += s->size;
			continue;
		}
		r = rules_find(RULE_SECTION_MODE, s->name, NULL);
		if (r) {
			r->used++;
			c.bits = r->bits;
		}
		sweep(im, &c);
	}
	if (alternatives)
		check_alternatives(im, &e, alternatives, bits);
	if (!e.n_sections)
		sweep_segments(im, &e, bits);
	free(e.sections);
}

/* bzImage */

/* Follow the code from one place through direct jumps and calls; "seen" has a byte per byte of code. */
static void follow(struct image *im, const struct code *c, size_t start, uint8_t *seen)
{
	size_t *todo = NULL, n = 0, room = 0;

	todo = grow(todo, (room = 64) * sizeof(*todo));
	todo[n++] = start;
	while (n) {
		size_t at = todo[--n];

		while (at < c->size && !seen[at]) {
			struct insn in;
			int64_t target;

			insn_decode(c->p + at, c->size - at, c->bits, &in);
			im->instructions++;
			if (in.why)
				report(im, c, c->addr + at, c->p + at, &in);
			memset(seen + at, 1, in.len < c->size - at ? in.len : c->size - at);
			at += in.len;
			target = (int64_t)at + in.rel;
			if ((in.flow == FLOW_BRANCH || in.flow == FLOW_JUMP) && target >= 0 &&
			    target < (int64_t)c->size && !seen[target]) {
				if (n == room)
					todo = grow(todo, (room *= 2) * sizeof(*todo));
				todo[n++] = target;
			}
			if (in.flow == FLOW_JUMP || in.flow == FLOW_END)
				break;
		}
	}
	free(todo);
}

static size_t count_seen(const uint8_t *seen, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += seen[i];
	return sum;
}

/* Unpack a kernel payload with the tool its magic number asks for; returns the whole of it. */
static struct image unpack(const struct image *im, const uint8_t *p, size_t size)
{
	static const struct {
		const char *magic;
		size_t len;
		const char *command;
	} kinds[] = {
		{ "\x1f\x8b", 2, "gzip -dc" },
		{ "\xfd"
		  "7zXZ",
		  5, "xz -dc" },
		{ "\x28\xb5\x2f\xfd", 4, "zstd -dc" },
		{ "\x02\x21\x4c\x18", 4, "lz4 -dc" },
		{ "BZh", 3, "bzip2 -dc" },
		{ "\x5d\x00\x00", 3, "xz --format=lzma -dc" },
	};
	char path[] = "/tmp/k1om-check-XXXXXX", command[200];
	struct image out = { .name = im->name };
	const char *tool = NULL;
	size_t room = 0, got;
	uint8_t *buf = NULL;
	FILE *pipe;
	int fd;

	if (size > 4 && !memcmp(p, ELFMAG, SELFMAG)) {
		out.data = p;
		out.size = size;
		return out;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (size > kinds[i].len && !memcmp(p, kinds[i].magic, kinds[i].len))
			tool = kinds[i].command;
	if (!tool)
		die(im->name,
		    "the bzImage's payload is compressed in a way this tool does not know");
	fd = mkstemp(path);
	if (fd < 0 || write(fd, p, size) != (ssize_t)size)
		die(path, strerror(errno));
	close(fd);
	/* The length word that the kernel build appends makes the tools complain; the ELF header is the test. */
	snprintf(command, sizeof(command), "%s <%s 2>/dev/null", tool, path);
	pipe = popen(command, "r");
	if (!pipe)
		die(tool, strerror(errno));
	do {
		if (out.size + (1 << 20) > room)
			buf = grow(buf, room = room * 2 + (2 << 20));
		got = fread(buf + out.size, 1, room - out.size, pipe);
		out.size += got;
	} while (got);
	pclose(pipe);
	unlink(path);
	if (out.size < 64 || memcmp(buf, ELFMAG, SELFMAG)) {
		snprintf(command, sizeof(command),
			 "cannot unpack the payload (is \"%s\" installed?)", tool);
		die(im->name, command);
	}
	out.data = buf;
	return out;
}

static bool is_bzimage(const struct image *im)
{
	return im->size > 0x250 && im->data[0x1fe] == 0x55 && im->data[0x1ff] == 0xaa &&
	       !memcmp(im->data + 0x202, "HdrS", 4);
}

static uint32_t word_at(const struct image *im, size_t offset)
{
	uint32_t v;

	memcpy(&v, im->data + offset, sizeof(v));
	return v;
}

static bool finish(const struct image *im);

/* Check the decompressor by its ELF file, after making sure that this very code is in the bzImage. */
static bool check_decompressor(const struct image *im, size_t pm)
{
	struct image dec = load(opt.decompressor);
	struct elf e;

	if (dec.size < 64 || memcmp(dec.data, ELFMAG, SELFMAG))
		die(dec.name, "not an ELF file");
	read_sections(&dec, &e);
	for (size_t i = 0; i < e.n_sections; i++) {
		const struct section *s = &e.sections[i];

		if (!(s->flags & SHF_EXECINSTR) || !s->size)
			continue;
		if (!inside(pm + s->addr, s->size, im->size) ||
		    memcmp(im->data + pm + s->addr, dec.data + s->offset, s->size))
			die(dec.name, "is not the decompressor in this bzImage");
	}
	free(e.sections);
	check_elf(&dec);
	return finish(&dec);
}

static bool check_bzimage(struct image *im)
{
	size_t setup = (im->data[0x1f1] ? im->data[0x1f1] : 4) * 512 + 512;
	size_t payload = setup + word_at(im, 0x248), length = word_at(im, 0x24c);
	struct image part = *im, kernel;
	char name[512];
	size_t reached;
	uint8_t *seen;
	struct code c;
	bool ok = true;

	if (word_at(im, 0x206) % 0x10000 < 0x208 || setup + 0x400 > im->size ||
	    payload < setup + 0x200 || !inside(payload, length, im->size))
		die(im->name, "broken or too old bzImage header");
	seen = calloc(1, im->size);
	if (!seen)
		die(im->name, strerror(ENOMEM));

	/* Symbol names for these parts are their own: "(setup)", "(decompressor)". */
	snprintf(name, sizeof(name), "%s (setup)", im->name);
	part.name = name;
	c = (struct code){ .section = "(setup)", .p = im->data, .size = setup, .bits = 16 };
	rules_use_for(name);
	follow(&part, &c, 0x200, seen);
	printf("%s: %zu of %zu bytes reached from the 16-bit entry\n", name,
	       count_seen(seen, setup), setup);
	ok &= finish(&part);

	if (opt.decompressor) {
		ok &= check_decompressor(im, setup);
	} else {
		memset(seen, 0, im->size);
		part = *im;
		snprintf(name, sizeof(name), "%s (decompressor)", im->name);
		part.name = name;
		c = (struct code){ .section = "(decompressor)",
				   .p = im->data + setup,
				   .size = im->size - setup,
				   .bits = 32 };
		memset(seen + (payload - setup), 1, length);
		rules_use_for(name);
		follow(&part, &c, 0, seen);
		reached = count_seen(seen, c.size) - length;
		memset(seen, 0, im->size);
		memset(seen + (payload - setup), 1, length);
		c.bits = 64;
		follow(&part, &c, 0x200, seen);
		reached += count_seen(seen, c.size) - length;
		printf("%s: %zu of %zu bytes reached from the entries; give its ELF file with "
		       "--decompressor to check the rest\n",
		       name, reached, c.size - length);
		ok &= finish(&part);
	}
	free(seen);

	kernel = unpack(im, im->data + payload, length);
	snprintf(name, sizeof(name), "%s (kernel)", im->name);
	kernel.name = name;
	check_elf(&kernel);
	ok &= finish(&kernel);
	return ok;
}

/* Archives of object files */

static bool check_archive(struct image *im)
{
	size_t at = 8;
	bool ok = true;
	unsigned int members = 0;

	while (at + 60 <= im->size) {
		char text[11] = "";
		char name[300];
		size_t len;
		struct image member = { 0 };

		memcpy(text, im->data + at + 48, 10);
		len = strtoul(text, NULL, 10);
		snprintf(name, sizeof(name), "%s(%.16s)", im->name, (const char *)im->data + at);
		at += 60;
		if (!inside(at, len, im->size))
			die(im->name, "broken archive");
		member.name = name;
		member.data = im->data + at;
		member.size = len;
		if (len >= 64 && !memcmp(member.data, ELFMAG, SELFMAG)) {
			check_elf(&member);
			im->instructions += member.instructions;
			im->refused += member.refused;
			im->excepted += member.excepted;
			im->skipped_bytes += member.skipped_bytes;
			members++;
			free(member.symbols);
		}
		at += len + (len & 1);
	}
	if (!members)
		die(im->name, "no object files in this archive");
	ok = finish(im);
	return ok;
}

/* The last word on one file: a line with counts. */
static bool finish(const struct image *im)
{
	if (im->refused > opt.max)
		printf("%s: ... and %lu more\n", im->name, im->refused - opt.max);
	if (!im->instructions) {
		printf("%s: FAILED: no code found\n", im->name);
		return false;
	}
	printf("%s: %s: %lu instructions, %lu refused, %lu excepted by rules", im->name,
	       im->refused ? "FAILED" : "ok", im->instructions, im->refused, im->excepted);
	if (im->alternatives_on + im->alternatives_off)
		printf(", alternatives %lu applied and %lu not", im->alternatives_on,
		       im->alternatives_off);
	if (im->skipped_bytes)
		printf(", %lu bytes skipped", im->skipped_bytes);
	printf("\n");
	return !im->refused;
}

static struct image load(const char *path)
{
	struct image im = { .name = path };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		die(path, strerror(errno));
	if (!S_ISREG(st.st_mode) || !st.st_size)
		die(path, "empty or not a regular file");
	im.size = st.st_size;
	im.data = mmap(NULL, im.size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (im.data == MAP_FAILED)
		die(path, strerror(errno));
	close(fd);
	return im;
}

static bool check_file(const char *path)
{
	struct image im = load(path);

	rules_use_for(path);
	if (opt.raw) {
		struct code c = { .section = "(raw)",
				  .p = im.data,
				  .addr = opt.base,
				  .size = im.size,
				  .bits = opt.bits };

		sweep(&im, &c);
		return finish(&im);
	}
	if (im.size >= 64 && !memcmp(im.data, ELFMAG, SELFMAG)) {
		check_elf(&im);
		return finish(&im);
	}
	if (im.size > 8 && !memcmp(im.data, "!<arch>\n", 8))
		return check_archive(&im);
	if (is_bzimage(&im))
		return check_bzimage(&im);
	die(path, "neither ELF, archive nor bzImage; for anything else say --raw --mode=BITS");
	return false;
}

static void print_rules(bool verbose)
{
	for (const struct rule *r = rules; r; r = r->next)
		if (r->kind != RULE_MODE && r->kind != RULE_SECTION_MODE && (verbose || !r->used))
			printf("rule %s %s: %s (%s)\n", r->used ? "used" : "NOT NEEDED", r->from,
			       r->to, r->reason);
}

static void usage(FILE *to)
{
	fputs("usage: k1om-check [options] FILE...\n"
	      "Fails on any instruction that KNC does not have. FILE: ELF, archive of object files, bzImage.\n"
	      "  --raw --mode=16|32|64 [--base=ADDR]  FILE is nothing but code of that mode\n"
	      "  --mode=16|32|64                      mode of an ELF file's code, if not that of its class\n"
	      "  --rules=FILE                         exceptions, each with its reason (see README.md)\n"
	      "  --symbols=ELF                        names for a FILE that is stripped (a bzImage's kernel)\n"
	      "  --decompressor=ELF                   arch/x86/boot/compressed/vmlinux of a bzImage\n"
	      "  --max=N                              print at most N findings per file (40)\n"
	      "  --list-rules                         say at the end which exceptions were used\n"
	      "Exit status: 0 all code is KNC's, 1 it is not, 2 usage or a broken file.\n",
	      to);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "raw", no_argument, NULL, 'r' },
		{ "mode", required_argument, NULL, 'm' },
		{ "base", required_argument, NULL, 'b' },
		{ "rules", required_argument, NULL, 'x' },
		{ "symbols", required_argument, NULL, 's' },
		{ "decompressor", required_argument, NULL, 'd' },
		{ "max", required_argument, NULL, 'n' },
		{ "list-rules", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	bool ok = true, list = false;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		switch (c) {
		case 'r':
			opt.raw = true;
			break;
		case 'm':
			opt.bits = atoi(optarg);
			if (opt.bits != 16 && opt.bits != 32 && opt.bits != 64)
				die("--mode", "16, 32 or 64");
			break;
		case 'b':
			opt.base = strtoull(optarg, NULL, 0);
			break;
		case 'x':
			if (!rules_read(optarg))
				return 2;
			break;
		case 's':
			opt.symbols = optarg;
			break;
		case 'd':
			opt.decompressor = optarg;
			break;
		case 'n':
			opt.max = strtoul(optarg, NULL, 0);
			break;
		case 'l':
			list = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind == argc || (opt.raw && !opt.bits)) {
		usage(stderr);
		return 2;
	}
	for (int i = optind; i < argc; i++)
		ok &= check_file(argv[i]);
	if (list)
		print_rules(true);
	return ok ? 0 : 1;
}
