package database

import (
	"database/sql/driver"
	"fmt"
	"strconv"
)

// value gives an argument in one of the types that the driver binds.
func value(a any) (driver.Value, error) {
	switch v := a.(type) {
	case nil, int64, string, bool, float64:
		return v, nil
	case []byte:
		if v == nil {
			return nil, nil
		}
		return v, nil
	case int:
		return int64(v), nil
	case uint8:
		return int64(v), nil
	case int8:
		return int64(v), nil
	case uint32:
		return int64(v), nil
	case int32:
		return int64(v), nil
	}
	return nil, fmt.Errorf("type %T is not stored: convert it", a)
}

// assign copies a value of the driver. Numbers are taken from SQLite as they
// are; a text is no number.
func assign(dest any, v driver.Value) error {
	switch d := dest.(type) {
	case *any:
		*d = v
		return nil
	case *string:
		return assignString(d, v)
	case *[]byte:
		switch v := v.(type) {
		case nil:
			*d = nil
		case []byte:
			*d = v
		case string:
			*d = []byte(v)
		default:
			return mismatch(dest, v)
		}
		return nil
	case *float64:
		f, ok := v.(float64)
		if !ok && v != nil {
			return mismatch(dest, v)
		}
		*d = f
		return nil
	}
	return assignInteger(dest, v)
}

func assignString(d *string, v driver.Value) error {
	switch v := v.(type) {
	case nil:
		*d = ""
	case string:
		*d = v
	case []byte:
		*d = string(v)
	case int64:
		*d = strconv.FormatInt(v, 10)
	default:
		return mismatch(d, v)
	}
	return nil
}

func assignInteger(dest any, v driver.Value) error {
	n, ok := v.(int64)
	if !ok && v != nil {
		return mismatch(dest, v)
	}
	switch d := dest.(type) {
	case *int64:
		*d = n
	case *int:
		*d = int(n)
	case *uint8:
		*d = uint8(n)
	case *uint32:
		*d = uint32(n)
	case *bool:
		*d = n != 0
	default:
		return mismatch(dest, v)
	}
	return nil
}

func mismatch(dest any, v driver.Value) error {
	return fmt.Errorf("a %T does not fit into %T", v, dest)
}
