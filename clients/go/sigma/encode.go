package sigma

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

// keywordsKey is the field in which the texts of Keywords travel, as the pipeline go-keywords of sigmac has it. A pack
// that was made without it looks for keywords in all text of an event.
const keywordsKey = "keywords()"

// asked is what a pack, or one rule of it, asks of an event.
type asked struct {
	fields   []string
	keys     [][]byte // each field as the key of a JSON object, with the colon
	keywords bool
	collapse bool // runs of white space
}

func newAsked(fields []string, keywords, collapse bool) asked {
	made := asked{keywords: keywords, collapse: collapse}
	for _, name := range fields {
		if name == keywordsKey {
			made.keywords = true
			continue
		}
		made.fields = append(made.fields, name)
		made.keys = append(made.keys, append(appendText(nil, name), ':'))
	}
	return made
}

// appendEvent appends an event as one line of JSON, with what is asked of it; found says whether it has any of that.
func appendEvent(line []byte, event Event, want *asked) (out []byte, found bool, err error) {
	line = append(line, '{')
	begin := len(line)
	for i, name := range want.fields {
		value, ok := event.Select(name)
		if !ok {
			continue
		}
		if len(line) > begin {
			line = append(line, ',')
		}
		line = append(line, want.keys[i]...)
		if line, err = want.appendValue(line, value); err != nil {
			return nil, false, &EventError{Field: name, Reason: err.Error()}
		}
	}
	if want.keywords {
		if texts, ok := event.Keywords(); ok {
			if len(line) > begin {
				line = append(line, ',')
			}
			line = append(line, `"`+keywordsKey+`":`...)
			line = want.appendTexts(line, texts)
		}
	}
	found = len(line) > begin
	return append(line, '}', '\n'), found, nil
}

func (a *asked) appendValue(line []byte, value interface{}) (_ []byte, err error) {
	switch value := value.(type) {
	case string:
		return a.appendString(line, value), nil
	case nil:
		return append(line, "null"...), nil
	case bool:
		return strconv.AppendBool(line, value), nil
	case int:
		return strconv.AppendInt(line, int64(value), 10), nil
	case int64:
		return strconv.AppendInt(line, value, 10), nil
	case uint64:
		return strconv.AppendUint(line, value, 10), nil
	case float64:
		return appendFloat(line, value)
	case []string:
		return a.appendTexts(line, value), nil
	case []interface{}:
		line = append(line, '[')
		for i, each := range value {
			if i > 0 {
				line = append(line, ',')
			}
			if line, err = a.appendValue(line, each); err != nil {
				return nil, err
			}
		}
		return append(line, ']'), nil
	}
	data, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return append(line, data...), nil
}

func appendFloat(line []byte, value float64) ([]byte, error) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return nil, fmt.Errorf("%v is no number of JSON", value)
	}
	// Whole numbers as such: a JSON number that was decoded is a float64, whatever it was.
	if whole := int64(value); float64(whole) == value && math.Abs(value) < 1<<53 {
		return strconv.AppendInt(line, whole, 10), nil
	}
	return strconv.AppendFloat(line, value, 'g', -1, 64), nil
}

func (a *asked) appendTexts(line []byte, texts []string) []byte {
	line = append(line, '[')
	for i, text := range texts {
		if i > 0 {
			line = append(line, ',')
		}
		line = a.appendString(line, text)
	}
	return append(line, ']')
}

// appendString appends a text; one with a run of white space as an array of it and of what is left with single blanks.
// Some member of an array is enough for a rule: so literals, which are collapsed in rules too, find the one, and regular
// expressions the other.
func (a *asked) appendString(line []byte, text string) []byte {
	if !a.collapse || !hasRuns(text) {
		return appendText(line, text)
	}
	line = appendText(append(line, '['), text)
	return append(appendText(append(line, ','), collapsed(text)), ']')
}

// isSpace says of a byte whether it is white space to regular expressions, and so to go-sigma-rule-engine.
func isSpace(char byte) bool { return char == ' ' || '\t' <= char && char <= '\r' && char != '\v' }

func hasRuns(text string) bool {
	for i := 0; i < len(text); i++ {
		if char := text[i]; char <= ' ' && isSpace(char) && (char != ' ' || i > 0 && text[i-1] == ' ') {
			return true
		}
	}
	return false
}

func collapsed(text string) string {
	made := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		switch {
		case !isSpace(text[i]):
			made = append(made, text[i])
		case i == 0 || !isSpace(text[i-1]):
			made = append(made, ' ')
		}
	}
	return string(made)
}

// plainUntil gives a place up to which a text needs no escape; eight bytes are looked at together.
//
// A byte with its highest bit set, below a blank, or equal to a quote or a backslash sets the highest bit of its own in
// what is tested; so may a byte behind such a one, which the caller looks at by itself.
func plainUntil(text string, i int) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(text); i += 8 {
		word := binary.LittleEndian.Uint64(unsafe.Slice(unsafe.StringData(text[i:]), 8))
		quotes, slashes := word^(ones*'"'), word^(ones*'\\')
		if (word|(word-ones*' ')|(quotes-ones)|(slashes-ones))&high != 0 {
			return i
		}
	}
	return i
}

const hexadecimal = "0123456789abcdef"

// appendText appends a JSON string; bytes that are no UTF-8 become U+FFFD, as encoding/json has it.
func appendText(line []byte, text string) []byte {
	line = append(line, '"')
	begin := 0
	for i := 0; i < len(text); {
		if i = plainUntil(text, i); i == len(text) {
			break
		}
		char := text[i]
		if char >= ' ' && char != '"' && char != '\\' && char < utf8.RuneSelf {
			i++
			continue
		}
		if char >= utf8.RuneSelf {
			if r, size := utf8.DecodeRuneInString(text[i:]); r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		line = append(line, text[begin:i]...)
		switch {
		case char == '"' || char == '\\':
			line = append(line, '\\', char)
		case char >= utf8.RuneSelf:
			line = append(line, `\ufffd`...)
		default:
			line = append(line, '\\', 'u', '0', '0', hexadecimal[char>>4], hexadecimal[char&15])
		}
		i++
		begin = i
	}
	line = append(line, text[begin:]...)
	return append(line, '"')
}
